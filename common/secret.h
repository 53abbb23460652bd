/* secret.h - memory for what must not be swapped, dumped, inherited or left behind.
 * Owns:  one arena per process and every secret in it. The arena is blocks of memfd_secret(2), else of
 *        locked pages, made when there is need for them and given back when they are empty.
 * Calls: the kernel; explicit_bzero(3).
 * Limit: SECRET_ARENA_MAX bytes in all, SECRET_LEN_MAX for one secret. */
#pragma once
#include "common/macros.h"
#include <stdbool.h>
#include <stddef.h>

#define SECRET_ARENA_MAX ((size_t)16 * 1024 * 1024)
#define SECRET_BLOCK_LEN ((size_t)256 * 1024) /* what a process pays at least, as address space */
#define SECRET_LEN_MAX   ((size_t)32 * 1024)

struct secret;

enum secret_arena {
        SECRET_ARENA_NONE = 0,  /* secret_arena_open() was not called */
        SECRET_ARENA_SECRETMEM, /* pages that even the kernel's own mapping lacks */
        SECRET_ARENA_LOCKED,    /* not in swap, not in core dumps, not in children */
        SECRET_ARENA_PLAIN,     /* RLIMIT_MEMLOCK forbids (more) locking: swap may see them */
};

/* Makes the arena's first block; the first thing a program does after process_harden(). Returns 0 or
 * -ENOMEM. */
int secret_arena_open(void);
/* Which protection is in force, for `status`: that of the block which has the least. It may change
 * with every secret. */
enum secret_arena secret_arena_kind(void);
/* "secretmem", "locked", "plain" or "none". */
const char *secret_arena_name(enum secret_arena kind);

/* @len zeroed bytes plus a final NUL that secret_len() does not count.
 * Returns 0, -ENOMEM when the arena is full, -E2BIG beyond SECRET_LEN_MAX. */
int secret_new(size_t len, struct secret **ret);
/* A copy of @len bytes at @bytes. The caller wipes its own. Errors as secret_new(). */
int secret_copy(const void *bytes, size_t len, struct secret **ret);
/* Wipes and releases. NULL is allowed. Always returns NULL. */
struct secret *secret_free(struct secret *s);
DEFINE_FREEP(struct secret, secret)

size_t secret_len(const struct secret *s);
/* The bytes, NUL-terminated, lent until secret_free(). Never print, log or store what this returns
 * in memory that is not wiped; tests/lint lists the files that may call it. */
char *secret_reveal(const struct secret *s);

/* Constant-time comparison of two buffers of the same length. */
bool secret_equal(const void *a, const void *b, size_t len);
/* Overwrites the caller's dead stack frames below this call. For use after key derivation. */
void secret_burn_stack(void);
