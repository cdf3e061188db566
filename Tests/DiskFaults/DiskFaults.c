#define _GNU_SOURCE
#include "DiskFaults.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

// The functions below have the names of C library functions. Because they are in the executable, the dynamic linker
// resolves them for SQLite's library too.

enum { MOST = 64 };

typedef struct {
    char prefix[256];
    pollux_disk_hook hook;
    void *context;
} watch;

static watch watches[MOST];
static atomic_int count;
static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static _Thread_local int is_in_hook;

int pollux_disk_watch(const char *prefix, pollux_disk_hook hook, void *context) {
    int number = -1;
    pthread_rwlock_wrlock(&lock);
    for (int index = 0; index < MOST && number < 0; index++) {
        if (watches[index].hook) continue;
        number = index;
        snprintf(watches[index].prefix, sizeof watches[index].prefix, "%s", prefix);
        watches[index].context = context;
        watches[index].hook = hook;
        atomic_fetch_add(&count, 1);
    }
    pthread_rwlock_unlock(&lock);
    return number;
}

void pollux_disk_unwatch(int number) {
    pthread_rwlock_wrlock(&lock);
    if (number >= 0 && number < MOST && watches[number].hook) {
        watches[number].hook = 0;
        atomic_fetch_sub(&count, 1);
    }
    pthread_rwlock_unlock(&lock);
}

static int ask(const char *call, const char *path) {
    if (is_in_hook || atomic_load(&count) == 0) return 0;
    watch found = {0};
    pthread_rwlock_rdlock(&lock);
    for (int index = 0; index < MOST; index++) {
        watch *one = &watches[index];
        if (one->hook && strncmp(path, one->prefix, strlen(one->prefix)) == 0) found = *one;
    }
    pthread_rwlock_unlock(&lock);
    if (!found.hook) return 0;
    is_in_hook = 1;
    int error = found.hook(found.context, call, path);
    is_in_hook = 0;
    return error;
}

static int ask_of(const char *call, int file) {
    if (is_in_hook || atomic_load(&count) == 0) return 0;
    char link[64], path[512];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return ask(call, path);
}

#define REFUSE(error) do { errno = (error); return -1; } while (0)

int fdatasync(int file) {
    int error = ask_of("fdatasync", file);
    if (error) REFUSE(error);
    return (int)syscall(SYS_fdatasync, file);
}

ssize_t pwrite64(int file, const void *bytes, size_t size, off64_t offset) {
    int error = ask_of("pwrite", file);
    if (error) REFUSE(error);
    return syscall(SYS_pwrite64, file, bytes, size, offset);
}

int ftruncate64(int file, off64_t size) {
    int error = ask_of("ftruncate", file);
    if (error) REFUSE(error);
    return (int)syscall(SYS_ftruncate, file, size);
}

int rename(const char *from, const char *to) {
    int error = ask("rename", to);
    if (error) REFUSE(error);
    return (int)syscall(SYS_renameat2, -100, from, -100, to, 0);
}
