#define _GNU_SOURCE
#include "ProcessMemory.h"

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

#ifdef __linux__
#include <link.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/// Unmaps the code of the first object, which is the program.
static int unmap_code(struct dl_phdr_info *object, size_t size, void *unused) {
    (void)size;
    (void)unused;
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
        if (segment->p_type != PT_LOAD || !(segment->p_flags & PF_X) || segment->p_flags & PF_W) continue;
        // Whole pages only. What else is in them belongs to another segment.
        uintptr_t start = (object->dlpi_addr + segment->p_vaddr + page - 1) & ~(page - 1);
        uintptr_t end = (object->dlpi_addr + segment->p_vaddr + segment->p_filesz) & ~(page - 1);
        if (start < end) madvise((void *)start, end - start, MADV_DONTNEED);
    }
    return 1;
}

void pollux_unmap_start_code(void) { dl_iterate_phdr(unmap_code, NULL); }
#else
void pollux_unmap_start_code(void) {}
#endif
