/* wiping.h - an allocator that zeroes what it gives back, for libraries that see secrets.
 * Owns:  nothing; the memory is malloc(3)'s.
 * Calls: the C library; jansson and OpenSSL only in wiping_json.c and wiping_crypto.c, so that a
 *        program links neither without asking.
 * Limit: none. */
#pragma once
#include <stddef.h>

void *wiping_malloc(size_t size);
/* Always moves: realloc(3) would leave the old copy in the heap. */
void *wiping_realloc(void *p, size_t size);
/* Zeroes the whole block, as malloc_usable_size(3) tells it, then frees it. NULL is allowed. */
void wiping_free(void *p);

/* Makes jansson use these. Call once in main, before any JSON. */
void wiping_install_json(void);
/* Makes OpenSSL use these. Call once in main, before any other use of OpenSSL, or it refuses.
 * Returns 0 or -EBUSY. */
int wiping_install_crypto(void);
