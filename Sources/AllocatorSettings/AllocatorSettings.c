#include "AllocatorSettings.h"

#include <stdlib.h>

#ifdef __GLIBC__
#include <malloc.h>

void pollux_return_large_blocks(int arenas) {
    mallopt(M_MMAP_THRESHOLD, 128 << 10);
    mallopt(M_ARENA_MAX, arenas);
}
#else
void pollux_return_large_blocks(int arenas) { (void)arenas; }
#endif
