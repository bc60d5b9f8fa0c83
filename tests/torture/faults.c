/* Let the n-th call of a kind fail, over all processes of a build together.
 *
 * Preloaded before libc. What shall fail is told in a small file that all processes map: they
 * count in it, too. See faults.py, which writes it.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

enum { OFF, COUNT, FAIL };
enum { SHORT = -1 };

struct control {
  int mode;        /* OFF; COUNT: write each call to the trace; FAIL */
  int error;       /* errno, or SHORT */
  int nth;         /* this call fails, counted from 1 */
  int from_then;   /* and all later ones */
  int seen;        /* matching calls so far */
  int fired;       /* calls that failed */
  int held;        /* by whoever writes to the trace */
  char function[32];
  char part[224];  /* of the path of the file */
  char below[512]; /* only files below this folder */
  char trace[512]; /* where calls are noted */
  char hit[1024];  /* path of the last that failed */
};

static struct control *control;
static int trace_file = -1;

__attribute__((constructor)) static void begin(void) {
  const char *name = getenv("MUSEBUILD_FAULTS");
  if (!name) return;
  int file = syscall(SYS_open, name, O_RDWR | O_CLOEXEC);
  if (file < 0) return;
  void *map = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  syscall(SYS_close, file);
  if (map != MAP_FAILED) control = map;
}

/* The absolute path of a file that is named by a descriptor and a path in it. */
static void resolve(int folder, const char *path, char *to, size_t size) {
  char link[64];
  ssize_t length = 0;
  to[0] = 0;
  if (path && path[0] == '/') {
    snprintf(to, size, "%s", path);
    return;
  }
  if (folder == AT_FDCWD) snprintf(link, sizeof link, "/proc/self/cwd");
  else snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
  length = syscall(SYS_readlink, link, to, size - 1);
  if (length < 0) length = 0;
  to[length] = 0;
  if (path && path[0]) snprintf(to + length, size - length, "/%s", path);
}

/* Whether this call shall fail: errno, SHORT or 0. */
static int fault(const char *function, int folder, const char *path) {
  if (!control || control->mode == OFF) return 0;
  if (control->mode == FAIL && strcmp(control->function, function)) return 0;
  int kept = errno, result = 0;
  char whole[1024];
  resolve(folder, path, whole, sizeof whole);
  if (!strncmp(whole, control->below, strlen(control->below))) {
    if (control->mode == COUNT) {
      if (trace_file < 0)
        trace_file = syscall(SYS_open, control->trace, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
      while (__atomic_exchange_n(&control->held, 1, __ATOMIC_ACQUIRE)) sched_yield();
      char line[1100];
      int length = snprintf(line, sizeof line, "%s%s %s\n",
                            control->seen++ ? "\n" : "", function, whole);
      syscall(SYS_write, trace_file, line, length);
      /* Where Python is: neither takes the interpreter's lock. */
      void *(*thread)(void) = (void *(*)(void))dlsym(RTLD_DEFAULT, "PyGILState_GetThisThreadState");
      void (*dump)(int, void *) = (void (*)(int, void *))dlsym(RTLD_DEFAULT, "_Py_DumpTraceback");
      if (thread && dump && thread()) dump(trace_file, thread());
      __atomic_store_n(&control->held, 0, __ATOMIC_RELEASE);
    } else if (strstr(whole, control->part)) {
      int number = __atomic_add_fetch(&control->seen, 1, __ATOMIC_SEQ_CST);
      if (number == control->nth || (number > control->nth && control->from_then)) {
        __atomic_add_fetch(&control->fired, 1, __ATOMIC_SEQ_CST);
        memcpy(control->hit, whole, sizeof whole);
        result = control->error;
      }
    }
  }
  errno = kept;
  return result;
}

#define REAL(name) ({ static __typeof__(&name) real; \
  if (!real) { real = (__typeof__(&name))dlsym(RTLD_NEXT, #name); } \
  real; })

/* A function without a result of bytes: it fails, or is called. */
#define FAILS(type, name, as, parameters, arguments, folder, path) \
  type name parameters { \
    int wrong = fault(as, folder, path); \
    if (wrong > 0) { errno = wrong; return (type)-1; } \
    return REAL(name) arguments; \
  }

/* One with a number of bytes: it may be cut short, too. */
#define BYTES(name, as, parameters, arguments, file, count) \
  ssize_t name parameters { \
    int wrong = fault(as, file, NULL); \
    if (wrong > 0) { errno = wrong; return -1; } \
    if (wrong == SHORT && count > 1) count = count / 2; \
    return REAL(name) arguments; \
  }

#define OPENS(name, parameters, arguments, folder) \
  int name parameters { \
    va_list more; \
    va_start(more, flags); \
    mode_t mode = (flags & (O_CREAT | __O_TMPFILE)) ? va_arg(more, mode_t) : 0; \
    va_end(more); \
    int wrong = fault(flags & O_CREAT ? "create" : "open", folder, path); \
    if (wrong > 0) { errno = wrong; return -1; } \
    return REAL(name) arguments; \
  }

OPENS(open, (const char *path, int flags, ...), (path, flags, mode), AT_FDCWD)
OPENS(open64, (const char *path, int flags, ...), (path, flags, mode), AT_FDCWD)
OPENS(openat, (int folder, const char *path, int flags, ...), (folder, path, flags, mode), folder)
OPENS(openat64, (int folder, const char *path, int flags, ...), (folder, path, flags, mode), folder)

BYTES(write, "write", (int file, const void *data, size_t count), (file, data, count), file, count)
BYTES(pwrite, "write", (int file, const void *data, size_t count, off_t at), (file, data, count, at), file, count)
BYTES(pwrite64, "write", (int file, const void *data, size_t count, off64_t at), (file, data, count, at), file, count)
BYTES(read, "read", (int file, void *data, size_t count), (file, data, count), file, count)
BYTES(pread, "read", (int file, void *data, size_t count, off_t at), (file, data, count, at), file, count)
BYTES(pread64, "read", (int file, void *data, size_t count, off64_t at), (file, data, count, at), file, count)
BYTES(sendfile, "copy", (int out, int in, off_t *at, size_t count), (out, in, at, count), out, count)
BYTES(sendfile64, "copy", (int out, int in, off64_t *at, size_t count), (out, in, at, count), out, count)
BYTES(copy_file_range, "copy", (int in, off64_t *from, int out, off64_t *to, size_t count, unsigned flags), (in, from, out, to, count, flags), out, count)

FAILS(int, fsync, "sync", (int file), (file), file, NULL)
FAILS(int, fdatasync, "sync", (int file), (file), file, NULL)
FAILS(int, ftruncate, "truncate", (int file, off_t size), (file, size), file, NULL)
FAILS(int, ftruncate64, "truncate", (int file, off64_t size), (file, size), file, NULL)
FAILS(int, flock, "lock", (int file, int what), (file, what), file, NULL)
FAILS(int, rename, "rename", (const char *from, const char *to), (from, to), AT_FDCWD, to)
FAILS(int, renameat, "rename", (int f, const char *from, int t, const char *to), (f, from, t, to), t, to)
FAILS(int, link, "link", (const char *from, const char *to), (from, to), AT_FDCWD, to)
FAILS(int, linkat, "link", (int f, const char *from, int t, const char *to, int flags), (f, from, t, to, flags), t, to)
FAILS(int, symlink, "symlink", (const char *from, const char *to), (from, to), AT_FDCWD, to)
FAILS(int, symlinkat, "symlink", (const char *from, int t, const char *to), (from, t, to), t, to)
FAILS(int, unlink, "unlink", (const char *path), (path), AT_FDCWD, path)
FAILS(int, unlinkat, "unlink", (int f, const char *path, int flags), (f, path, flags), f, path)
FAILS(int, rmdir, "unlink", (const char *path), (path), AT_FDCWD, path)
FAILS(int, mkdir, "mkdir", (const char *path, mode_t mode), (path, mode), AT_FDCWD, path)
FAILS(int, mkdirat, "mkdir", (int f, const char *path, mode_t mode), (f, path, mode), f, path)
FAILS(int, chmod, "chmod", (const char *path, mode_t mode), (path, mode), AT_FDCWD, path)
FAILS(int, fchmod, "chmod", (int file, mode_t mode), (file, mode), file, NULL)
FAILS(int, fchmodat, "chmod", (int f, const char *path, mode_t mode, int flags), (f, path, mode, flags), f, path)
FAILS(int, utimensat, "utime", (int f, const char *path, const struct timespec t[2], int flags), (f, path, t, flags), f, path)
FAILS(int, futimens, "utime", (int file, const struct timespec t[2]), (file, t), file, NULL)
FAILS(int, stat, "stat", (const char *path, struct stat *to), (path, to), AT_FDCWD, path)
FAILS(int, stat64, "stat", (const char *path, struct stat64 *to), (path, to), AT_FDCWD, path)
FAILS(int, lstat, "stat", (const char *path, struct stat *to), (path, to), AT_FDCWD, path)
FAILS(int, lstat64, "stat", (const char *path, struct stat64 *to), (path, to), AT_FDCWD, path)
FAILS(int, fstat, "stat", (int file, struct stat *to), (file, to), file, NULL)
FAILS(int, fstat64, "stat", (int file, struct stat64 *to), (file, to), file, NULL)
FAILS(int, fstatat, "stat", (int f, const char *path, struct stat *to, int flags), (f, path, to, flags), f, path)
FAILS(int, fstatat64, "stat", (int f, const char *path, struct stat64 *to, int flags), (f, path, to, flags), f, path)

int ioctl(int file, unsigned long what, ...) {
  va_list more;
  va_start(more, what);
  void *with = va_arg(more, void *);
  va_end(more);
  int wrong = what == FICLONE ? fault("clone", file, NULL) : 0;
  if (wrong > 0) { errno = wrong; return -1; }
  return REAL(ioctl)(file, what, with);
}

DIR *opendir(const char *path) {
  int wrong = fault("list", AT_FDCWD, path);
  if (wrong > 0) { errno = wrong; return NULL; }
  return REAL(opendir)(path);
}

DIR *fdopendir(int file) {
  int wrong = fault("list", file, NULL);
  if (wrong > 0) { errno = wrong; return NULL; }
  return REAL(fdopendir)(file);
}

struct dirent64 *readdir64(DIR *folder) {
  int wrong = fault("list", dirfd(folder), NULL);
  if (wrong > 0) { errno = wrong; return NULL; }
  return REAL(readdir64)(folder);
}
