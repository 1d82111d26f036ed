/* A machine whose clock is wrong or whose disk is full, for one process: loaded into it with LD_PRELOAD.
 *
 * MACHINE_CLOCK_SECONDS  is added to the time of day.
 * MACHINE_FULL_DISK      files below this folder cannot grow once ...
 * MACHINE_DISK_BYTES     ... they have grown by so many bytes together.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static atomic_llong grown;

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int status = (int)syscall(SYS_clock_gettime, clock, now);
    const char *seconds = getenv("MACHINE_CLOCK_SECONDS");
    if (status == 0 && seconds && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += atoll(seconds);
    return status;
}

/* Whether the disk has no room for a file that is to end at `end`. */
static int is_full(int file, off_t end)
{
    const char *folder = getenv("MACHINE_FULL_DISK"), *bytes = getenv("MACHINE_DISK_BYTES");
    char link[64], path[PATH_MAX];
    struct stat status;
    if (!folder || !bytes || fstat(file, &status) != 0 || !S_ISREG(status.st_mode) || end <= status.st_size)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    if (strncmp(path, folder, strlen(folder)) != 0)
        return 0;
    return atomic_fetch_add(&grown, end - status.st_size) + (end - status.st_size) > atoll(bytes);
}

static ssize_t no_room(void)
{
    errno = ENOSPC;
    return -1;
}

ssize_t write(int file, const void *bytes, size_t count)
{
    off_t at = lseek(file, 0, SEEK_CUR);
    if (at >= 0 && is_full(file, at + (off_t)count))
        return no_room();
    return syscall(SYS_write, file, bytes, count);
}

ssize_t pwrite(int file, const void *bytes, size_t count, off_t at)
{
    return is_full(file, at + (off_t)count) ? no_room() : syscall(SYS_pwrite64, file, bytes, count, at);
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t at)
{
    return pwrite(file, bytes, count, at);
}

int ftruncate(int file, off_t size)
{
    return is_full(file, size) ? (int)no_room() : (int)syscall(SYS_ftruncate, file, size);
}

int ftruncate64(int file, off64_t size)
{
    return ftruncate(file, size);
}

int posix_fallocate(int file, off_t at, off_t count)
{
    return is_full(file, at + count) ? ENOSPC : (syscall(SYS_fallocate, file, 0, at, count) == 0 ? 0 : errno);
}

int posix_fallocate64(int file, off64_t at, off64_t count)
{
    return posix_fallocate(file, at, count);
}
