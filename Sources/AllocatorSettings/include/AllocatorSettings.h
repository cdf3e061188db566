#pragma once

/// Lets the allocator give blocks of 128 KiB and more back to the system as soon as they are freed, and keep at most so many
/// arenas. To be called before threads are started; does nothing where the C library is not glibc.
///
/// By itself glibc raises that threshold to the largest block that was freed, up to 32 MiB, and keeps eight arenas per core
/// (mallopt(3)): a few answers of some MiB then stay in memory for good.
///
/// In C, since Swift's Glibc module lacks <malloc.h>.
void pollux_return_large_blocks(int arenas);
