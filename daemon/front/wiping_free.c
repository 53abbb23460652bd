/* wiping_free.c - free(3) and realloc(3) for the whole of mfad: memory is zeroed before it is given back.
 * Owns:  nothing; the heap is glibc's.
 * Calls: glibc's own __libc_malloc and __libc_free.
 * Limit: heap memory only; mmap(2)ed memory goes back to the kernel.
 *
 * libmicrohttpd has no allocator hook, and the request heads in its pools hold client tokens; glibc,
 * libsystemd and others copy what passes through them as well. A definition in the program comes before
 * glibc's for every library in the process (glibc manual, "Replacing malloc"), so these two cover all of
 * them. malloc, calloc and the rest stay glibc's, and every pointer still comes from its heap.
 *
 * Not in builds with a sanitizer, which bring their own. Under valgrind, which replaces only what it finds
 * in glibc, run with --soname-synonyms=somalloc=NONE: then it replaces these two as well. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HEAP_IS_REPLACED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer)
#define HEAP_IS_REPLACED 1
#endif
#endif

#ifndef HEAP_IS_REPLACED
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

extern void *__libc_malloc(size_t size);
extern void __libc_free(void *p);

void free(void *p) {
        if (!p)
                return;
        explicit_bzero(p, malloc_usable_size(p));
        __libc_free(p); /* keeps errno since glibc 2.33 */
}

/* Moves by hand, because __libc_realloc() would leave the old bytes behind. */
void *realloc(void *p, size_t size) {
        size_t have;
        void *moved;

        if (!p)
                return __libc_malloc(size);
        if (size == 0) {
                free(p);
                return NULL; /* as glibc does */
        }
        have = malloc_usable_size(p);
        if (size <= have && size >= have / 2)
                return p;
        moved = __libc_malloc(size);
        if (!moved)
                return NULL;
        memcpy(moved, p, size < have ? size : have);
        free(p);
        return moved;
}
#endif
