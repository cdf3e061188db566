#define _GNU_SOURCE
#include "FileTimes.h"

#include <sys/stat.h>

#ifdef __linux__
#include <fcntl.h>

int64_t pollux_creation_time(const char *path) {
    struct statx info;
    if (statx(AT_FDCWD, path, 0, STATX_BTIME, &info) != 0 || !(info.stx_mask & STATX_BTIME)) return 0;
    return (int64_t)info.stx_btime.tv_sec * 1000000000 + info.stx_btime.tv_nsec;
}
#else
int64_t pollux_creation_time(const char *path) {
    struct stat info;
    if (stat(path, &info) != 0) return 0;
    return (int64_t)info.st_birthtimespec.tv_sec * 1000000000 + info.st_birthtimespec.tv_nsec;
}
#endif
