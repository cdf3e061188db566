#pragma once

// In C, since Swift's Glibc module lacks <malloc.h> and <link.h>.

/// Lets the allocator give blocks of 128 KiB and more back to the system as soon as they are freed, and keep at most so many
/// arenas. To be called before threads are started; does nothing where the C library is not glibc.
///
/// By itself glibc raises that threshold to the largest block that was freed, up to 32 MiB, and keeps eight arenas per core
/// (mallopt(3)): a few answers of some MiB then stay in memory for good.
void pollux_return_large_blocks(int arenas);

/// Unmaps the program's code. What is used later is mapped again.
///
/// To be called after the start, which runs some 15 MiB of code that is not used again. The kernel would keep it mapped, and
/// around each page that was used 15 more, until memory is short (madvise(2), MADV_DONTNEED). Breakpoints that a debugger has set
/// before are lost. Does nothing where the system is not Linux.
void pollux_unmap_code(void);
