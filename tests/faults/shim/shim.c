/* What a process asks of its files: counted, noted down, refused, or the last thing that it does.
 *
 * Preloaded (LD_PRELOAD), it stands before the C library's calls. Those on paths below FAULTS_SCOPE are counted, if
 * their name is in FAULTS_CALLS; the others pass. Only the process itself: its children run without.
 *
 *   FAULTS_SCOPE  an absolute path without links; calls on it and on all below it are meant
 *   FAULTS_CALLS  which of them are counted: "write fsync rename", with a space between
 *   FAULTS_LOG    a file: each counted call is appended, after it was done, as netstrings; log.py reads them
 *   FAULTS_AT     the number of the call that goes wrong, from 1; 0 is each; without it none does
 *   FAULTS_ONWARD 1: so do all after it
 *   FAULTS_DO     what happens: "kill" (SIGKILL to the process, in place of the call), "short" (a write takes half, and
 *                 at least one byte), or the number of an errno, with which the call fails and does nothing
 *
 * A lock is held over each counted call, so the order in the log is the order in which they were done.
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))real(#name, &real_##name))
#define SLOT(name) static void *real_##name

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static char scope[PATH_MAX], calls[1024];
static int log_file = -1, onward, kills, halves, error;
static long at = -1, counted;

static void *real(const char *name, void **slot) {
    if (*slot == NULL)
        *slot = dlsym(RTLD_NEXT, name);
    return *slot;
}

SLOT(open64); SLOT(openat64); SLOT(close); SLOT(read); SLOT(readv); SLOT(pread64); SLOT(write); SLOT(pwrite64);
SLOT(writev); SLOT(sendfile64); SLOT(copy_file_range); SLOT(fsync); SLOT(fdatasync); SLOT(ftruncate64); SLOT(truncate64);
SLOT(renameat); SLOT(linkat); SLOT(symlinkat); SLOT(unlinkat); SLOT(mkdirat); SLOT(fchmod); SLOT(fchmodat);
SLOT(fchown); SLOT(utimensat); SLOT(setxattr); SLOT(fsetxattr); SLOT(flock);

__attribute__((constructor)) void faults_begin(void) { /* also by a process that was forked: see warm.py */
    const char *said = getenv("FAULTS_SCOPE"), *to;
    scope[0] = calls[0] = 0;
    at = -1;
    counted = 0;
    kills = halves = error = 0;
    if (said != NULL)
        snprintf(scope, sizeof scope, "%s", said);
    if ((said = getenv("FAULTS_CALLS")) != NULL)
        snprintf(calls, sizeof calls, " %s ", said);
    if ((to = getenv("FAULTS_LOG")) != NULL) {
        int low = REAL(open64)(to, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        log_file = fcntl(low, F_DUPFD_CLOEXEC, 200);
        REAL(close)(low);
    }
    if ((said = getenv("FAULTS_AT")) != NULL)
        at = atol(said);
    if ((said = getenv("FAULTS_DO")) != NULL) {
        kills = strcmp(said, "kill") == 0;
        halves = strcmp(said, "short") == 0;
        error = atoi(said);
    }
    onward = getenv("FAULTS_ONWARD") != NULL;
    unsetenv("LD_PRELOAD");
}

/* where: which file a call is about */

typedef struct {
    char path[PATH_MAX + 64];
    unsigned long folder, inode; /* 0: there is none */
} Place;

static int is_ours(const char *path) {
    size_t length = strlen(scope);
    return length > 0 && strncmp(path, scope, length) == 0 && (path[length] == '/' || path[length] == 0);
}

static int is_counted(const char *call) {
    char word[64];
    snprintf(word, sizeof word, " %s ", call);
    return strstr(calls, word) != NULL;
}

static void folder_of(int descriptor, char *path, size_t size) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, size - 1);
    path[length < 0 ? 0 : length] = 0;
}

static int find(Place *place, int folder, const char *path) {
    struct stat status;
    int before = errno;
    memset(place, 0, sizeof *place);
    if (path == NULL)
        return 0;
    if (path[0] != '/') {
        if (folder == AT_FDCWD) {
            if (getcwd(place->path, PATH_MAX) == NULL)
                place->path[0] = 0;
        } else
            folder_of(folder, place->path, PATH_MAX);
        strncat(place->path, "/", 2);
    }
    strncat(place->path, path, PATH_MAX - strlen(place->path) - 1);
    if (!is_ours(place->path)) {
        errno = before;
        return 0;
    }
    if (lstat(place->path, &status) == 0)
        place->inode = status.st_ino;
    char *slash = strrchr(place->path, '/');
    *slash = 0;
    if (stat(place->path, &status) == 0)
        place->folder = status.st_ino;
    *slash = '/';
    errno = before;
    return 1;
}

static int find_open(Place *place, int descriptor) {
    struct stat status;
    int before = errno;
    memset(place, 0, sizeof *place);
    folder_of(descriptor, place->path, PATH_MAX);
    int ours = is_ours(place->path);
    if (ours && fstat(descriptor, &status) == 0)
        place->inode = status.st_ino;
    errno = before;
    return ours;
}

static void look_again(Place *place) {
    struct stat status;
    int before = errno;
    place->inode = lstat(place->path, &status) == 0 ? status.st_ino : 0;
    errno = before;
}

/* what happens: 0 the call is made, > 0 it fails with that, -1 it takes less than it is given */

static int judge(void) {
    counted++;
    if (at < 0 || !(at == 0 || counted == at || (onward && counted > at)))
        return 0;
    if (kills) {
        kill(getpid(), SIGKILL);
        for (;;)
            pause();
    }
    return halves ? -1 : error;
}

static size_t text(char *out, const char *value) {
    return sprintf(out, "%zu:%s,", strlen(value), value);
}

static size_t number(char *out, unsigned long long value) {
    char digits[32];
    sprintf(digits, "%llu", value);
    return text(out, digits);
}

/* call, error, folder, path, inode, other folder, other path, other inode, mode, mtime in ns, offset, name, data */
static void note(const char *call, int failed, const Place *one, const Place *other, off_t offset, const char *name,
                 const void *data, size_t size) {
    static char line[4 * PATH_MAX];
    static const Place none;
    struct stat status;
    int before = errno;
    if (log_file < 0)
        return;
    if (other == NULL)
        other = &none;
    memset(&status, 0, sizeof status);
    lstat(one->path, &status);
    size_t end = text(line, call);
    end += number(line + end, failed ? before : 0);
    end += number(line + end, one->folder);
    end += text(line + end, one->path);
    end += number(line + end, one->inode);
    end += number(line + end, other->folder);
    end += text(line + end, other->path);
    end += number(line + end, other->inode);
    end += number(line + end, status.st_mode);
    end += number(line + end, status.st_mtim.tv_sec * 1000000000ull + status.st_mtim.tv_nsec);
    end += number(line + end, offset);
    end += text(line + end, name == NULL ? "" : name);
    end += sprintf(line + end, "%zu:", size);
    struct iovec parts[] = {{line, end}, {(void *)data, size}, {",", 1}};
    REAL(writev)(log_file, parts, 3);
    errno = before;
}

/* The pattern of all that follow: find out whether it is ours; if not, pass; else judge, do, note. */
#define BEGIN(verdict)                  \
    pthread_mutex_lock(&turn);          \
    int verdict = judge();              \
    if (verdict > 0)                    \
        errno = verdict;
#define END(result)                     \
    pthread_mutex_unlock(&turn);        \
    return result;

static const void *some(size_t *size, const void *data, ssize_t taken) {
    *size = taken > 0 ? taken : 0;
    return data;
}

/* files */

static int opened(int folder, const char *path, int flags, mode_t mode) {
    Place place;
    int writes = (flags & O_ACCMODE) != O_RDONLY || flags & O_CREAT;
    const char *call = writes ? "open" : "open-read";
    if (!is_counted(call) || !find(&place, folder, path))
        return REAL(openat64)(folder, path, flags, mode);
    BEGIN(verdict)
    int was_there = place.inode != 0;
    int result = verdict > 0 ? -1 : REAL(openat64)(folder, path, flags, mode);
    look_again(&place);
    note(result >= 0 && !was_there ? "create" : result >= 0 && flags & O_TRUNC ? "empty" : call, result < 0, &place,
         NULL, 0, NULL, NULL, 0);
    END(result)
}

#define MODE(flags)                     \
    mode_t mode = 0;                    \
    if (flags & (O_CREAT | O_TMPFILE)) {\
        va_list rest;                   \
        va_start(rest, flags);          \
        mode = va_arg(rest, mode_t);    \
        va_end(rest);                   \
    }

int open64(const char *path, int flags, ...) { MODE(flags) return opened(AT_FDCWD, path, flags, mode); }
int open(const char *path, int flags, ...) { MODE(flags) return opened(AT_FDCWD, path, flags, mode); }
int openat64(int folder, const char *path, int flags, ...) { MODE(flags) return opened(folder, path, flags, mode); }
int openat(int folder, const char *path, int flags, ...) { MODE(flags) return opened(folder, path, flags, mode); }

int close(int descriptor) {
    Place place;
    int flags = is_counted("close") ? fcntl(descriptor, F_GETFL) : -1;
    if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY || !find_open(&place, descriptor))
        return REAL(close)(descriptor);
    BEGIN(verdict)
    int result = REAL(close)(descriptor); /* also if it says that it failed: so does Linux */
    if (verdict > 0) {
        errno = verdict;
        result = -1;
    }
    note("close", result < 0, &place, NULL, 0, NULL, NULL, 0);
    END(result)
}

#define READS(name, call, ...)                                        \
    Place place;                                                      \
    if (!is_counted("read") || !find_open(&place, descriptor))        \
        return REAL(name)(__VA_ARGS__);                               \
    BEGIN(verdict)                                                    \
    ssize_t result = verdict > 0 ? -1 : REAL(name)(__VA_ARGS__);      \
    note("read", result < 0, &place, NULL, 0, NULL, NULL, 0);         \
    END(result)

ssize_t read(int descriptor, void *data, size_t size) { READS(read, "read", descriptor, data, size) }
ssize_t readv(int descriptor, const struct iovec *parts, int count) { READS(readv, "read", descriptor, parts, count) }
ssize_t pread64(int descriptor, void *data, size_t size, off_t offset) {
    READS(pread64, "read", descriptor, data, size, offset)
}

#define LESS(verdict, size) (verdict < 0 && size > 1 ? size / 2 : size)

ssize_t write(int descriptor, const void *data, size_t size) {
    Place place;
    if (!is_counted("write") || !find_open(&place, descriptor))
        return REAL(write)(descriptor, data, size);
    BEGIN(verdict)
    off_t offset = lseek(descriptor, 0, fcntl(descriptor, F_GETFL) & O_APPEND ? SEEK_END : SEEK_CUR);
    ssize_t result = verdict > 0 ? -1 : REAL(write)(descriptor, data, LESS(verdict, size));
    data = some(&size, data, result);
    note("write", result < 0, &place, NULL, offset, NULL, data, size);
    END(result)
}

ssize_t pwrite64(int descriptor, const void *data, size_t size, off_t offset) {
    Place place;
    if (!is_counted("write") || !find_open(&place, descriptor))
        return REAL(pwrite64)(descriptor, data, size, offset);
    BEGIN(verdict)
    ssize_t result = verdict > 0 ? -1 : REAL(pwrite64)(descriptor, data, LESS(verdict, size), offset);
    data = some(&size, data, result);
    note("write", result < 0, &place, NULL, offset, NULL, data, size);
    END(result)
}

/* as one write of the first part: whoever calls it has to be content with less than all */
ssize_t writev(int descriptor, const struct iovec *parts, int count) {
    Place place;
    if (!is_counted("write") || count < 1 || !find_open(&place, descriptor))
        return REAL(writev)(descriptor, parts, count);
    return write(descriptor, parts[0].iov_base, parts[0].iov_len);
}

#define ON_OPEN(name, call, descriptor, ...)                          \
    Place place;                                                      \
    if (!is_counted(call) || !find_open(&place, descriptor))          \
        return REAL(name)(__VA_ARGS__);                               \
    BEGIN(verdict)                                                    \
    __typeof__(REAL(name)(__VA_ARGS__)) result =                      \
        verdict > 0 ? -1 : REAL(name)(__VA_ARGS__);

#define SIMPLY(name, call, descriptor, ...)                           \
    ON_OPEN(name, call, descriptor, __VA_ARGS__)                      \
    note(call, result < 0, &place, NULL, 0, NULL, NULL, 0);           \
    END(result)

/* noted without what was written: log.py knows no such call, and says so */
ssize_t sendfile64(int to, int from, off_t *offset, size_t size) { SIMPLY(sendfile64, "sendfile", to, to, from, offset, size) }
ssize_t copy_file_range(int from, off_t *start, int to, off_t *offset, size_t size, unsigned flags) {
    SIMPLY(copy_file_range, "copy_file_range", to, from, start, to, offset, size, flags)
}
int fsync(int descriptor) { SIMPLY(fsync, "fsync", descriptor, descriptor) }
int fdatasync(int descriptor) { SIMPLY(fdatasync, "fsync", descriptor, descriptor) }
int fchmod(int descriptor, mode_t mode) { SIMPLY(fchmod, "chmod", descriptor, descriptor, mode) }
int fchown(int descriptor, uid_t user, gid_t group) { SIMPLY(fchown, "chown", descriptor, descriptor, user, group) }
int flock(int descriptor, int operation) {
    Place place; /* without our lock: it may wait for another thread */
    if (!is_counted("flock") || !find_open(&place, descriptor))
        return REAL(flock)(descriptor, operation);
    pthread_mutex_lock(&turn);
    int verdict = judge();
    note("flock", verdict > 0, &place, NULL, 0, NULL, NULL, 0);
    pthread_mutex_unlock(&turn);
    if (verdict > 0) {
        errno = verdict;
        return -1;
    }
    return REAL(flock)(descriptor, operation);
}

int ftruncate64(int descriptor, off_t size) {
    ON_OPEN(ftruncate64, "truncate", descriptor, descriptor, size)
    note("truncate", result < 0, &place, NULL, size, NULL, NULL, 0);
    END(result)
}

int truncate64(const char *path, off_t size) {
    Place place;
    if (!is_counted("truncate") || !find(&place, AT_FDCWD, path))
        return REAL(truncate64)(path, size);
    BEGIN(verdict)
    int result = verdict > 0 ? -1 : REAL(truncate64)(path, size);
    note("truncate", result < 0, &place, NULL, size, NULL, NULL, 0);
    END(result)
}

int fsetxattr(int descriptor, const char *name, const void *value, size_t size, int flags) {
    ON_OPEN(fsetxattr, "setxattr", descriptor, descriptor, name, value, size, flags)
    note("setxattr", result < 0, &place, NULL, 0, name, value, size);
    END(result)
}

int setxattr(const char *path, const char *name, const void *value, size_t size, int flags) {
    Place place;
    if (!is_counted("setxattr") || !find(&place, AT_FDCWD, path))
        return REAL(setxattr)(path, name, value, size, flags);
    BEGIN(verdict)
    int result = verdict > 0 ? -1 : REAL(setxattr)(path, name, value, size, flags);
    note("setxattr", result < 0, &place, NULL, 0, name, value, size);
    END(result)
}

/* names */

#define ON_NAME(call, folder, path, pass)                             \
    Place place;                                                      \
    if (!is_counted(call) || !find(&place, folder, path))             \
        return pass;                                                  \
    BEGIN(verdict)                                                    \
    int result = verdict > 0 ? -1 : pass;

#define ON_TWO(call, from, path, to, other_path, pass)                \
    Place place, other;                                               \
    if (!is_counted(call) || !find(&other, to, other_path))           \
        return pass;                                                  \
    find(&place, from, path);                                         \
    BEGIN(verdict)                                                    \
    int result = verdict > 0 ? -1 : pass;                             \
    note(call, result < 0, &place, &other, 0, NULL, NULL, 0);         \
    END(result)

int renameat(int from, const char *path, int to, const char *other_path) {
    ON_TWO("rename", from, path, to, other_path, REAL(renameat)(from, path, to, other_path))
}
int rename(const char *path, const char *other) { return renameat(AT_FDCWD, path, AT_FDCWD, other); }

int linkat(int from, const char *path, int to, const char *other_path, int flags) {
    ON_TWO("link", from, path, to, other_path, REAL(linkat)(from, path, to, other_path, flags))
}
int link(const char *path, const char *other) { return linkat(AT_FDCWD, path, AT_FDCWD, other, 0); }

int symlinkat(const char *target, int folder, const char *path) {
    ON_NAME("symlink", folder, path, REAL(symlinkat)(target, folder, path))
    look_again(&place);
    note("symlink", result < 0, &place, NULL, 0, NULL, target, strlen(target));
    END(result)
}
int symlink(const char *target, const char *path) { return symlinkat(target, AT_FDCWD, path); }

int unlinkat(int folder, const char *path, int flags) {
    ON_NAME("unlink", folder, path, REAL(unlinkat)(folder, path, flags))
    note("unlink", result < 0, &place, NULL, 0, NULL, NULL, 0);
    END(result)
}
int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }

int mkdirat(int folder, const char *path, mode_t mode) {
    ON_NAME("mkdir", folder, path, REAL(mkdirat)(folder, path, mode))
    look_again(&place);
    note("mkdir", result < 0, &place, NULL, 0, NULL, NULL, 0);
    END(result)
}
int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }

int fchmodat(int folder, const char *path, mode_t mode, int flags) {
    ON_NAME("chmod", folder, path, REAL(fchmodat)(folder, path, mode, flags))
    note("chmod", result < 0, &place, NULL, 0, NULL, NULL, 0);
    END(result)
}
int chmod(const char *path, mode_t mode) { return fchmodat(AT_FDCWD, path, mode, 0); }

int utimensat(int folder, const char *path, const struct timespec times[2], int flags) {
    ON_NAME("utime", folder, path, REAL(utimensat)(folder, path, times, flags))
    note("utime", result < 0, &place, NULL, 0, NULL, NULL, 0);
    END(result)
}
