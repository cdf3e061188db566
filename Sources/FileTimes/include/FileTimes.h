#pragma once

#include <stdint.h>

/// When a file was created, in nanoseconds since 1970; 0 if the file system or the system does not say.
///
/// A copy has another time than its original, and a file that is moved keeps it. In C, since Swift's Glibc module lacks statx.
int64_t pollux_creation_time(const char *path);
