#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

int clinux_lock(int descriptor) {
  struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 0, .l_pid = 0};
  return fcntl(descriptor, F_OFD_SETLK, &whole) == 0 ? 0 : errno;
}

int clinux_rename_new(const char *from, const char *to) {
  if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS) return errno;
  if (link(from, to) != 0) return errno;
  return unlink(from) == 0 ? 0 : errno;
}

int clinux_open_unnamed(const char *folder, unsigned mode) {
  int descriptor = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, mode);
  return descriptor >= 0 ? descriptor : -errno;
}

int clinux_name(int descriptor, const char *path) {
  char open_file[64];
  snprintf(open_file, sizeof open_file, "/proc/self/fd/%d", descriptor);
  return linkat(AT_FDCWD, open_file, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0 ? 0 : errno;
}

int clinux_reopen_direct(int descriptor) {
  char open_file[64];
  snprintf(open_file, sizeof open_file, "/proc/self/fd/%d", descriptor);
  int direct = open(open_file, O_WRONLY | O_DIRECT | O_CLOEXEC);
  return direct >= 0 ? direct : -errno;
}

void clinux_start_writeback(int descriptor, long long offset, long long byte_count) {
  (void)sync_file_range(descriptor, offset, byte_count, SYNC_FILE_RANGE_WRITE);
}

long long clinux_first_hole(int descriptor) {
  off_t hole = lseek(descriptor, 0, SEEK_HOLE);
  return hole >= 0 ? hole : -errno;
}

int clinux_sync_file_system(int descriptor) {
  return syncfs(descriptor) == 0 ? 0 : errno;
}

void clinux_raise_descriptor_limit(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  (void)setrlimit(RLIMIT_NOFILE, &limit);
}

void clinux_keep_freed_memory(size_t byte_count) {
  int limit = byte_count > INT_MAX ? INT_MAX : (int)byte_count;
  mallopt(M_MMAP_THRESHOLD, limit);
  mallopt(M_TRIM_THRESHOLD, limit);
}

void clinux_return_freed_memory(void) { (void)malloc_trim(0); }

void clinux_limit_memory_stores(int count) {
  mallopt(M_ARENA_MAX, count);
}
