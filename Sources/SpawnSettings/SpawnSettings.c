// The function is an extension of the GNU C library, which Swift does not see.
#define _GNU_SOURCE
#include "SpawnSettings.h"

int pollux_close_descriptors(posix_spawn_file_actions_t *actions, int first) {
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 34)
    return posix_spawn_file_actions_addclosefrom_np(actions, first);
#else
    (void)actions;
    (void)first;
    return 0;
#endif
}
