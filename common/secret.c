#include "common/secret.h"

#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#ifndef MLOCK_ONFAULT
#define MLOCK_ONFAULT 1
#endif

#define UNIT_LEN       64 /* a cache line: smaller secrets waste some, none shares one */
#define UNITS          (SECRET_BLOCK_LEN / UNIT_LEN)
#define WORD_BITS      64
#define WORDS          (UNITS / WORD_BITS)
#define BLOCKS_MAX     (SECRET_ARENA_MAX / SECRET_BLOCK_LEN)
#define STACK_BURN_LEN ((size_t)16 * 1024)

struct secret {
        size_t len;
        char bytes[];
};

/* Mapped between two guard pages of its own. */
struct block {
        char *start; /* NULL: there is none */
        enum secret_arena kind;
        size_t n_used;     /* units */
        size_t first_free; /* no unit before it is free */
        size_t run_max;    /* no longer run of free units is in it */
        uint64_t is_used[WORDS];
};

/* The lowest that has room is filled first, so that the higher ones become empty. */
static struct block blocks[BLOCKS_MAX];
static size_t n_blocks; /* up to the highest that there is */

/* memfd_secret(2): the flag is O_CLOEXEC; FD_CLOEXEC, as its manual page says, gives EINVAL. */
static int map_secretmem(char *at) {
        int fd;
        void *p = MAP_FAILED;

        fd = (int)syscall(SYS_memfd_secret, O_CLOEXEC);
        if (fd < 0)
                return -errno;
        if (ftruncate(fd, SECRET_BLOCK_LEN) == 0)
                p = mmap(at, SECRET_BLOCK_LEN, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
                         0);
        /* an open descriptor could be taken with pidfd_getfd(2) by whoever may ptrace us */
        (void)fd_close(fd);
        return p == MAP_FAILED ? -ENOMEM : 0;
}

static int map_locked(char *at, enum secret_arena *ret) {
        void *p;

        p = mmap(at, SECRET_BLOCK_LEN, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        if (p == MAP_FAILED)
                return -ENOMEM;
        *ret = mlock2(p, SECRET_BLOCK_LEN, MLOCK_ONFAULT) == 0 ? SECRET_ARENA_LOCKED
                                                               : SECRET_ARENA_PLAIN;
        (void)madvise(p, SECRET_BLOCK_LEN, MADV_DONTDUMP); /* hardening on top of RLIMIT_CORE 0 */
        return 0;
}

/* The best there is. Replaces whatever is mapped @at. */
static int map_best(char *at, enum secret_arena *ret) {
        if (map_secretmem(at) < 0)
                return map_locked(at, ret);
        *ret = SECRET_ARENA_SECRETMEM;
        return 0;
}

/* Both kinds of protection count against RLIMIT_MEMLOCK. The soft one is a default and no verdict; it
 * is left alone, also for the sake of whom we start, until it stands in the way. */
static bool raise_lock_limit(void) {
        struct rlimit limit;

        if (getrlimit(RLIMIT_MEMLOCK, &limit) < 0 || limit.rlim_cur >= limit.rlim_max)
                return false;
        limit.rlim_cur = limit.rlim_max;
        return setrlimit(RLIMIT_MEMLOCK, &limit) == 0;
}

static int block_open(struct block *b) {
        size_t page = (size_t)sysconf(_SC_PAGESIZE), len = SECRET_BLOCK_LEN + 2 * page;
        enum secret_arena kind = SECRET_ARENA_NONE;
        char *guarded;
        int r;

        guarded = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (guarded == MAP_FAILED)
                return -ENOMEM;
        r = map_best(guarded + page, &kind);
        if (r >= 0 && kind == SECRET_ARENA_PLAIN && raise_lock_limit())
                r = map_best(guarded + page, &kind);
        if (r < 0) {
                (void)munmap(guarded, len); /* nothing to lose in it */
                return r;
        }
        (void)madvise(guarded + page, SECRET_BLOCK_LEN, MADV_DONTFORK); /* children exec at once */
        *b = (struct block){.start = guarded + page, .kind = kind, .run_max = UNITS};
        if ((size_t)(b - blocks) >= n_blocks)
                n_blocks = (size_t)(b - blocks) + 1;
        return 0;
}

/* Of an empty one: all its bytes are zero. */
static void block_close(struct block *b) {
        size_t page = (size_t)sysconf(_SC_PAGESIZE);

        assert(b->n_used == 0);
        (void)munmap(b->start - page,
                     SECRET_BLOCK_LEN + 2 * page); /* cannot fail on whole mappings */
        b->start = NULL;
        while (n_blocks > 0 && !blocks[n_blocks - 1].start)
                n_blocks--;
}

int secret_arena_open(void) {
        return blocks[0].start ? 0 : block_open(&blocks[0]);
}

enum secret_arena secret_arena_kind(void) {
        enum secret_arena weakest = SECRET_ARENA_NONE;

        for (size_t i = 0; i < n_blocks; i++)
                if (blocks[i].start && blocks[i].kind > weakest)
                        weakest = blocks[i].kind;
        return weakest;
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

/* The first unit from @from on that is used, or that is free; UNITS when there is none. */
static size_t next_unit(const struct block *b, size_t from, bool is_used) {
        uint64_t wanted = ~UINT64_C(0) << from % WORD_BITS;

        for (size_t w = from / WORD_BITS; w < WORDS; w++, wanted = ~UINT64_C(0)) {
                wanted &= is_used ? b->is_used[w] : ~b->is_used[w];
                if (wanted)
                        return w * WORD_BITS + (size_t)__builtin_ctzll(wanted);
        }
        return UNITS;
}

static void mark_units(struct block *b, size_t first, size_t n, bool is_used) {
        for (size_t i = first; i < first + n; i++) {
                uint64_t bit = UINT64_C(1) << i % WORD_BITS;

                assert(!(b->is_used[i / WORD_BITS] & bit) == is_used); /* freed twice */
                b->is_used[i / WORD_BITS] ^= bit;
        }
}

/* NULL when no @need units in a row are free. */
static struct secret *block_take(struct block *b, size_t need) {
        size_t at, end;

        if (need > b->run_max)
                return NULL;
        for (at = next_unit(b, b->first_free, false); at < UNITS; at = next_unit(b, end, false)) {
                end = next_unit(b, at, true);
                if (end - at >= need)
                        break;
        }
        if (at == UNITS) {
                b->run_max = need - 1;
                return NULL;
        }
        mark_units(b, at, need, true);
        b->n_used += need;
        if (at == b->first_free)
                b->first_free = at + need;
        return (struct secret *)(void *)(b->start + at * UNIT_LEN);
}

/* From the lowest block that has room, or else from a new one. */
static struct secret *take(size_t need) {
        struct block *gap = NULL;
        struct secret *s;

        for (size_t i = 0; i < n_blocks; i++) {
                if (!blocks[i].start) {
                        gap = gap ? gap : &blocks[i];
                        continue;
                }
                s = block_take(&blocks[i], need);
                if (s)
                        return s;
        }
        if (!gap && n_blocks < BLOCKS_MAX)
                gap = &blocks[n_blocks];
        return gap && block_open(gap) >= 0 ? block_take(gap, need) : NULL;
}

int secret_new(size_t len, struct secret **ret) {
        struct secret *s;
        size_t need;

        assert(blocks[0].start);
        assert(ret);

        if (len > SECRET_LEN_MAX)
                return -E2BIG;
        need = units_for(len);
        s = take(need);
        if (!s)
                return -ENOMEM;
        memset(s, 0, need * UNIT_LEN);
        s->len = len;
        *ret = s;
        return 0;
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

static struct block *block_of(const struct secret *s) {
        for (size_t i = 0; i < n_blocks; i++)
                if (blocks[i].start && (const char *)s >= blocks[i].start &&
                    (const char *)s < blocks[i].start + SECRET_BLOCK_LEN)
                        return &blocks[i];
        abort(); /* not ours, or freed before */
}

/* One empty block stays, lest a secret that comes and goes maps and unmaps one each time. The first
 * stays always. */
static void give_back(void) {
        struct block *highest = NULL;
        size_t n_empty = 0;

        for (size_t i = 0; i < n_blocks; i++)
                if (blocks[i].start && blocks[i].n_used == 0) {
                        highest = &blocks[i];
                        n_empty++;
                }
        if (n_empty > 1)
                block_close(highest);
}

struct secret *secret_free(struct secret *s) {
        size_t first, need;
        struct block *b;

        if (!s)
                return NULL;
        b = block_of(s);
        first = (size_t)((char *)s - b->start) / UNIT_LEN;
        need = units_for(s->len);
        explicit_bzero(s, need * UNIT_LEN);
        mark_units(b, first, need, false);
        b->n_used -= need;
        b->run_max = UNITS;
        if (first < b->first_free)
                b->first_free = first;
        if (b->n_used == 0)
                give_back();
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
