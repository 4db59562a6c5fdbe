/* Notes every call by which a program changes files below a folder, in the order in which it makes
 * them, in one journal for all of its processes. Loaded by LD_PRELOAD; tests/power_loss/journal.py
 * builds it and reads what it writes.
 *
 * A call is noted before it is made and again, with its result, after it returned. Each note is one
 * write to a file opened for appending, so the kernel puts the notes of all processes in one order:
 * what returned before another call began stands before it. A note that cannot be written ends the
 * program, because a recording with a hole would prove nothing.
 *
 * What stdio writes leaves through no function that could be replaced; such a file is noted whole
 * when it is closed. Whether anything was missed is found by comparing the recording, played to its
 * end, with the files.
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

struct note {
    uint32_t length; /* of what follows */
    int32_t process;
    char what[8];
    uint64_t file;
    int64_t number; /* an offset, a length, or a result */
};

static int journal = -1;
static char root[PATH_MAX];
static size_t root_length;

#define REAL(name) \
    static __typeof__(&name) real; \
    if (real == NULL) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static void fail(const char *what)
{
    dprintf(2, "the recorder of writes failed: %s\n", what);
    abort();
}

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("FILLWRIGHT_JOURNAL"), *folder = getenv("FILLWRIGHT_RECORDED");
    if (path == NULL || folder == NULL || realpath(folder, root) == NULL)
        return;
    root_length = strlen(root);
    REAL(open);
    int opened = real(path, O_WRONLY | O_APPEND);
    /* Out of the way of the descriptors that the program counts on. */
    if (opened < 0 || (journal = fcntl(opened, F_DUPFD_CLOEXEC, 700)) < 0)
        fail(path);
    close(opened);
}

static void note(char what, uint64_t file, int64_t number, const struct iovec *parts, int count)
{
    struct note head = {0, getpid(), {what}, file, number};
    struct iovec all[1 + 64];
    if (count > 64)
        fail("a write of too many parts");
    size_t length = 0;
    for (int i = 0; i < count; i++) {
        all[1 + i] = parts[i];
        length += parts[i].iov_len;
    }
    head.length = (uint32_t)length;
    all[0] = (struct iovec){&head, sizeof head};
    int before = errno;
    if (writev(journal, all, 1 + count) != (ssize_t)(sizeof head + length))
        fail("the journal cannot be written");
    errno = before;
}

static void note_text(char what, uint64_t file, int64_t number, const char *text)
{
    struct iovec part = {(void *)text, strlen(text)};
    note(what, file, number, &part, 1);
}

/* Notes the result of a call whose beginning was noted, and hands it on. */
static ssize_t ended(int noted, ssize_t result)
{
    if (noted)
        note('.', 0, result, NULL, 0);
    return result;
}

/* Bytes that are about to be written; zeros are noted by their count, because rooms are filled with
 * them. */
static void note_bytes(uint64_t file, int64_t offset, const struct iovec *parts, int count)
{
    size_t length = 0;
    for (int i = 0; i < count; i++) {
        const char *bytes = parts[i].iov_base;
        size_t size = parts[i].iov_len;
        if (size > 0 && (bytes[0] != 0 || memcmp(bytes, bytes + 1, size - 1) != 0)) {
            note('w', file, offset, parts, count);
            return;
        }
        length += size;
    }
    struct iovec size = {&length, sizeof length};
    note('z', file, offset, &size, 1);
}

/* The part of a path that is below the folder, NULL for one that is not. */
static const char *below(const char *path)
{
    if (strncmp(path, root, root_length) != 0)
        return NULL;
    const char *rest = path + root_length;
    return *rest == '/' ? rest + 1 : *rest == 0 ? rest : NULL;
}

/* A name as the program gave it: relative to its working folder, or whole. */
static const char *named(const char *name, char *space)
{
    if (journal < 0)
        return NULL;
    if (name[0] == '/')
        return below(name);
    char folder[PATH_MAX];
    if (getcwd(folder, sizeof folder) == NULL)
        return NULL;
    if (snprintf(space, PATH_MAX, "%s/%s", folder, name) >= PATH_MAX)
        fail("a path is too long");
    return below(space);
}

/* What a descriptor is open on, if that is a file or folder below ours. */
static const char *opened(int fd, char *space, struct stat *status)
{
    if (journal < 0 || fd < 0)
        return NULL;
    char link[40];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    int before = errno;
    ssize_t length = readlink(link, space, PATH_MAX - 1);
    errno = before;
    if (length < 0)
        return NULL;
    space[length] = 0;
    const char *path = below(space);
    if (path == NULL || fstat(fd, status) != 0)
        return NULL;
    return S_ISREG(status->st_mode) || S_ISDIR(status->st_mode) ? path : NULL;
}

/* -- contents ----------------------------------------------------------------------------------- */

/* Notes a write that is about to be made, if it is one of ours. */
static int noted(int fd, off_t offset, const struct iovec *parts, int count)
{
    char space[PATH_MAX];
    struct stat status;
    if (opened(fd, space, &status) == NULL)
        return 0;
    if (offset < 0)
        offset = fcntl(fd, F_GETFL) & O_APPEND ? status.st_size : lseek(fd, 0, SEEK_CUR);
    note_bytes(status.st_ino, offset, parts, count);
    return 1;
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset)
{
    REAL(pwrite);
    struct iovec part = {(void *)bytes, size};
    int ours = noted(fd, offset, &part, 1);
    return ended(ours, real(fd, bytes, size, offset));
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
    REAL(pwritev);
    int ours = noted(fd, offset, parts, count);
    return ended(ours, real(fd, parts, count, offset));
}

ssize_t pwritev2(int fd, const struct iovec *parts, int count, off_t offset, int flags)
{
    REAL(pwritev2);
    int ours = noted(fd, offset, parts, count);
    return ended(ours, real(fd, parts, count, offset, flags));
}

ssize_t write(int fd, const void *bytes, size_t size)
{
    REAL(write);
    struct iovec part = {(void *)bytes, size};
    int ours = noted(fd, -1, &part, 1);
    return ended(ours, real(fd, bytes, size));
}

int ftruncate(int fd, off_t length)
{
    REAL(ftruncate);
    char space[PATH_MAX];
    struct stat status;
    if (opened(fd, space, &status) == NULL)
        return real(fd, length);
    note('t', status.st_ino, length, NULL, 0);
    return (int)ended(1, real(fd, length));
}

int truncate(const char *name, off_t length)
{
    REAL(truncate);
    char space[PATH_MAX];
    struct stat status;
    if (named(name, space) == NULL || stat(name, &status) != 0)
        return real(name, length);
    note('t', status.st_ino, length, NULL, 0);
    return (int)ended(1, real(name, length));
}

int posix_fallocate(int fd, off_t offset, off_t length)
{
    REAL(posix_fallocate);
    char space[PATH_MAX];
    struct stat status;
    int ours = opened(fd, space, &status) != NULL;
    if (ours)
        note_bytes(status.st_ino, offset + length, NULL, 0); /* it grows to there, if it is shorter */
    int error = real(fd, offset, length);
    ended(ours, error == 0 ? 0 : -1);
    return error;
}

static int synced(int fd, int (*real)(int))
{
    char space[PATH_MAX];
    struct stat status;
    const char *path = opened(fd, space, &status);
    if (path == NULL)
        return real(fd);
    note_text(S_ISDIR(status.st_mode) ? 'S' : 's', status.st_ino, 0, path);
    return (int)ended(1, real(fd));
}

int fsync(int fd)
{
    REAL(fsync);
    return synced(fd, real);
}

int fdatasync(int fd)
{
    REAL(fdatasync);
    return synced(fd, real);
}

/* -- names --------------------------------------------------------------------------------------- */

/* Notes that a name was made by an opening, or that one cut its file to nothing. */
static void note_opened(int fd, int existed, int cut)
{
    char space[PATH_MAX];
    struct stat status;
    const char *path = opened(fd, space, &status);
    if (path == NULL || !S_ISREG(status.st_mode))
        return;
    if (!existed)
        note_text('o', status.st_ino, 0, path);
    else if (cut)
        note('t', status.st_ino, 0, NULL, 0);
    ended(!existed || cut, 0);
}

int open(const char *name, int flags, ...)
{
    REAL(open);
    mode_t mode = 0;
    if ((flags & O_CREAT) != 0) {
        va_list rest;
        va_start(rest, flags);
        mode = va_arg(rest, mode_t);
        va_end(rest);
    }
    if (journal < 0 || (flags & (O_CREAT | O_TRUNC)) == 0)
        return real(name, flags, mode);
    int before = errno, existed = access(name, F_OK) == 0;
    errno = before;
    int fd = real(name, flags, mode);
    note_opened(fd, existed, (flags & O_TRUNC) != 0);
    return fd;
}

FILE *fopen(const char *name, const char *mode)
{
    REAL(fopen);
    if (journal < 0 || mode[0] == 'r')
        return real(name, mode);
    int before = errno, existed = access(name, F_OK) == 0;
    errno = before;
    FILE *file = real(name, mode);
    if (file != NULL)
        note_opened(fileno(file), existed, mode[0] == 'w');
    return file;
}

int fclose(FILE *file)
{
    REAL(fclose);
    char space[PATH_MAX];
    struct stat status;
    int fd = fileno(file);
    if (opened(fd, space, &status) == NULL || (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY)
        return real(file);
    int again;
    char link[40];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if (fflush(file) != 0 || (again = open(link, O_RDONLY)) < 0 || fstat(again, &status) != 0)
        fail("what stdio wrote cannot be read");
    struct iovec part = {malloc(status.st_size + 1), status.st_size};
    if (part.iov_base == NULL || pread(again, part.iov_base, part.iov_len, 0) != status.st_size)
        fail("what stdio wrote cannot be read");
    close(again);
    note('w', status.st_ino, 0, &part, 1);
    ended(1, status.st_size);
    free(part.iov_base);
    return real(file);
}

static int with_two_names(char what, const char *from, const char *to,
                          int (*real)(const char *, const char *))
{
    char space[PATH_MAX], other_space[PATH_MAX];
    struct stat status;
    const char *old = named(from, space), *new = named(to, other_space);
    if (old == NULL && new == NULL)
        return real(from, to);
    if (stat(from, &status) != 0)
        return real(from, to);
    if (old == NULL || new == NULL || !S_ISREG(status.st_mode))
        fail("only files are renamed, and within the folder");
    struct iovec parts[] = {{(void *)old, strlen(old) + 1}, {(void *)new, strlen(new)}};
    note(what, status.st_ino, 0, parts, 2);
    return (int)ended(1, real(from, to));
}

int rename(const char *from, const char *to)
{
    REAL(rename);
    return with_two_names('r', from, to, real);
}

int link(const char *from, const char *to)
{
    REAL(link);
    return with_two_names('l', from, to, real);
}

static int with_name(char what, const char *name, int (*real)(const char *))
{
    char space[PATH_MAX];
    const char *path = named(name, space);
    if (path == NULL)
        return real(name);
    note_text(what, 0, 0, path);
    return (int)ended(1, real(name));
}

int unlink(const char *name)
{
    REAL(unlink);
    return with_name('u', name, real);
}

int rmdir(const char *name)
{
    REAL(rmdir);
    return with_name('d', name, real);
}

int mkdir(const char *name, mode_t mode)
{
    REAL(mkdir);
    char space[PATH_MAX];
    const char *path = named(name, space);
    if (path == NULL)
        return real(name, mode);
    note_text('m', 0, 0, path);
    return (int)ended(1, real(name, mode));
}

/* Programs that are built for large files on other machines know them by these names. */
#define ALSO(name) __typeof__(name##64) name##64 __attribute__((alias(#name)))
__typeof__(pwritev64v2) pwritev64v2 __attribute__((alias("pwritev2")));
ALSO(open);
ALSO(fopen);
ALSO(pwrite);
ALSO(pwritev);
ALSO(truncate);
ALSO(ftruncate);
ALSO(posix_fallocate);
