/* texts.h - texts kept side by side until all of them go, and sets of names in which one is found at once.
 * Owns:  a copy of each text, wiped when it goes. What it lends stays in place until then.
 * Calls: the C library.
 * Limit: the caller's; TEXTS_CHUNK_LEN is only how much is asked for at once. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define TEXTS_CHUNK_LEN ((size_t)4000)

struct texts_chunk;

struct texts { /* all zero is an empty one */
        struct texts_chunk *last;
};

/* A copy of @len bytes with a final NUL, lent until texts_clear(); NULL when there is no memory. */
char *texts_put(struct texts *t, const char *text, size_t len);
/* Wipes and frees them all; it may be used again. */
void texts_clear(struct texts *t);

struct names { /* all zero is an empty one */
        struct texts texts;
        const char **list; /* in the order in which they came; lent */
        size_t n;
        uint32_t *slots; /* hash table: index + 1 into the list, 0 for a free place */
        size_t n_slots;
};

/* Puts @name last unless it is in there. @ret_index: its place in the list. Returns 0, -ENOMEM, or
 * -E2BIG beyond UINT32_MAX / 2 names. */
int names_put(struct names *n, const char *name, size_t *ret_index);
/* Its place in the list, or SIZE_MAX. */
size_t names_find(const struct names *n, const char *name);
/* Wipes and frees them all; it may be used again. */
void names_clear(struct names *n);
