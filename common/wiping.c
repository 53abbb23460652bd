#include "common/wiping.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

void *wiping_malloc(size_t size) {
        return malloc(size);
}

void wiping_free(void *p) {
        if (!p)
                return;
        explicit_bzero(p, malloc_usable_size(p));
        free(p);
}

void *wiping_realloc(void *p, size_t size) {
        size_t kept;
        void *moved;

        if (size == 0) {
                wiping_free(p);
                return NULL;
        }
        moved = malloc(size);
        if (!moved || !p)
                return moved;
        kept = malloc_usable_size(p);
        memcpy(moved, p, kept < size ? kept : size);
        wiping_free(p);
        return moved;
}
