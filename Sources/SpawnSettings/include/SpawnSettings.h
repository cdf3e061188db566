#ifndef POLLUX_SPAWN_SETTINGS_H
#define POLLUX_SPAWN_SETTINGS_H

#include <spawn.h>

/// Has a new process inherit no descriptor from `first` on; returns an error number, or 0. Does nothing where the C library
/// cannot.
int pollux_close_descriptors(posix_spawn_file_actions_t *actions, int first);

#endif
