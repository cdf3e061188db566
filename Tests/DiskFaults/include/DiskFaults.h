#pragma once

/// What is done before a call of the system that changes a file, in the thread that makes it. Returns 0 to let the call
/// happen, or the `errno` that it fails with. `call` is "pwrite", "fdatasync", "ftruncate" or "rename"; `path` is the
/// file's, for a rename the new one.
typedef int (*pollux_disk_hook)(void *context, const char *call, const char *path);

/// Has the hook called for files whose paths begin so, in this process, SQLite's included; returns a number for
/// ``pollux_disk_unwatch``, or -1 where there are too many. What the hook itself does to files is let through.
int pollux_disk_watch(const char *prefix, pollux_disk_hook hook, void *context);

/// Ends it. The hook may still be running in another thread.
void pollux_disk_unwatch(int number);
