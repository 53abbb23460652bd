#include "common/secret.h"

#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#ifndef MLOCK_ONFAULT
#define MLOCK_ONFAULT 1
#endif

#define UNIT_LEN       64 /* a cache line: smaller secrets waste some, none shares one */
#define UNITS          (SECRET_ARENA_LEN / UNIT_LEN)
#define STACK_BURN_LEN ((size_t)16 * 1024)

struct secret {
        size_t len;
        char bytes[];
};

static char *arena;
static enum secret_arena arena_kind;
static uint8_t unit_is_used[UNITS];

/* memfd_secret(2): the flag is O_CLOEXEC; FD_CLOEXEC, as its manual page says, gives EINVAL. */
static int map_secretmem(char *at) {
        int fd;
        void *p = MAP_FAILED;

        fd = (int)syscall(SYS_memfd_secret, O_CLOEXEC);
        if (fd < 0)
                return -errno;
        if (ftruncate(fd, SECRET_ARENA_LEN) == 0)
                p = mmap(at, SECRET_ARENA_LEN, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
                         0);
        /* an open descriptor could be taken with pidfd_getfd(2) by whoever may ptrace us */
        (void)fd_close(fd);
        return p == MAP_FAILED ? -ENOMEM : 0;
}

static int map_locked(char *at, enum secret_arena *ret) {
        void *p;

        p = mmap(at, SECRET_ARENA_LEN, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        if (p == MAP_FAILED)
                return -ENOMEM;
        *ret = mlock2(p, SECRET_ARENA_LEN, MLOCK_ONFAULT) == 0 ? SECRET_ARENA_LOCKED
                                                               : SECRET_ARENA_PLAIN;
        (void)madvise(p, SECRET_ARENA_LEN, MADV_DONTDUMP); /* hardening on top of RLIMIT_CORE 0 */
        return 0;
}

int secret_arena_open(void) {
        size_t page = (size_t)sysconf(_SC_PAGESIZE);
        enum secret_arena kind = SECRET_ARENA_SECRETMEM;
        char *guarded;
        int r;

        if (arena)
                return 0;

        guarded = mmap(NULL, SECRET_ARENA_LEN + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
                       -1, 0);
        if (guarded == MAP_FAILED)
                return -ENOMEM;

        r = map_secretmem(guarded + page);
        if (r < 0)
                r = map_locked(guarded + page, &kind);
        if (r < 0) {
                (void)munmap(guarded, SECRET_ARENA_LEN + 2 * page); /* nothing to lose in it */
                return r;
        }
        (void)madvise(guarded + page, SECRET_ARENA_LEN, MADV_DONTFORK); /* children exec at once */
        arena = guarded + page;
        arena_kind = kind;
        return 0;
}

enum secret_arena secret_arena_kind(void) {
        return arena_kind;
}

const char *secret_arena_name(enum secret_arena kind) {
        switch (kind) {
        case SECRET_ARENA_NONE: return "none";
        case SECRET_ARENA_SECRETMEM: return "secretmem";
        case SECRET_ARENA_LOCKED: return "locked";
        case SECRET_ARENA_PLAIN: return "plain";
        }
        abort();
}

static size_t units_for(size_t len) {
        return (sizeof(struct secret) + len + 1 + UNIT_LEN - 1) / UNIT_LEN;
}

int secret_new(size_t len, struct secret **ret) {
        size_t need, run = 0;

        assert(arena);
        assert(ret);

        if (len > SECRET_LEN_MAX)
                return -E2BIG;
        need = units_for(len);
        for (size_t i = 0; i < UNITS; i++) {
                run = unit_is_used[i] ? 0 : run + 1;
                if (run == need) {
                        size_t first = i + 1 - need;
                        struct secret *s = (struct secret *)(void *)(arena + first * UNIT_LEN);

                        memset(unit_is_used + first, 1, need);
                        memset(s, 0, need * UNIT_LEN);
                        s->len = len;
                        *ret = s;
                        return 0;
                }
        }
        return -ENOMEM;
}

int secret_copy(const void *bytes, size_t len, struct secret **ret) {
        struct secret *s;
        int r;

        r = secret_new(len, &s);
        if (r < 0)
                return r;
        if (len > 0)
                memcpy(s->bytes, bytes, len);
        *ret = s;
        return 0;
}

struct secret *secret_free(struct secret *s) {
        size_t first, need;

        if (!s)
                return NULL;
        first = (size_t)((char *)s - arena) / UNIT_LEN;
        need = units_for(s->len);
        explicit_bzero(s, need * UNIT_LEN);
        memset(unit_is_used + first, 0, need);
        return NULL;
}

size_t secret_len(const struct secret *s) {
        return s->len;
}

char *secret_reveal(const struct secret *s) {
        return (char *)s->bytes;
}

bool secret_equal(const void *a, const void *b, size_t len) {
        const volatile unsigned char *x = a, *y = b;
        unsigned char difference = 0;

        for (size_t i = 0; i < len; i++)
                difference |= x[i] ^ y[i];
        return difference == 0;
}

_noinline_ void secret_burn_stack(void) {
        char dead[STACK_BURN_LEN];

        explicit_bzero(dead, sizeof(dead));
}
