#pragma once

/// A hook that runs before a system call that changes a file, in the calling thread. It returns 0 to allow the call, or
/// the `errno` with which it fails. `call` is "pwrite", "fdatasync", "ftruncate" or "rename". `path` is that of the file,
/// for a rename the new one.
typedef int (*pollux_disk_hook)(void *context, const char *call, const char *path);

/// Installs the hook for files whose paths have this prefix, in the whole process including SQLite. Returns a number for
/// ``pollux_disk_unwatch``, or -1 if there are too many hooks. Calls made by the hook itself are not intercepted.
int pollux_disk_watch(const char *prefix, pollux_disk_hook hook, void *context);

/// Removes a hook. It may still be running in another thread.
void pollux_disk_unwatch(int number);
