#include "common/texts.h"
#include "common/macros.h"

#include <string.h>

#define SLOTS_MIN 32

struct texts_chunk {
        struct texts_chunk *before;
        size_t len, size;
        char bytes[];
};

char *texts_put(struct texts *t, const char *text, size_t len) {
        struct texts_chunk *chunk = t->last;
        char *copy;

        if (!chunk || chunk->size - chunk->len <= len) {
                size_t size = len < TEXTS_CHUNK_LEN ? TEXTS_CHUNK_LEN : len + 1;

                chunk = malloc(sizeof(*chunk) + size);
                if (!chunk)
                        return NULL;
                *chunk = (struct texts_chunk){.before = t->last, .size = size};
                t->last = chunk;
        }
        copy = chunk->bytes + chunk->len;
        if (len > 0)
                memcpy(copy, text, len);
        copy[len] = '\0';
        chunk->len += len + 1;
        return copy;
}

void texts_clear(struct texts *t) {
        while (t->last) {
                struct texts_chunk *chunk = t->last;

                t->last = chunk->before;
                explicit_bzero(chunk->bytes, chunk->len);
                free(chunk);
        }
}

/* FNV-1a. The names are the user's own: nobody gains by making them collide. */
static uint32_t hash_of(const char *name) {
        uint32_t hash = 2166136261U;

        for (const unsigned char *p = (const unsigned char *)name; *p; p++)
                hash = (hash ^ *p) * 16777619U;
        return hash;
}

/* The slot that holds @name, or the free one where it would stand. There is always a free one. */
static uint32_t *slot_of(const struct names *n, const char *name) {
        size_t at = hash_of(name) & (n->n_slots - 1);

        while (n->slots[at] && strcmp(n->list[n->slots[at] - 1], name) != 0)
                at = (at + 1) & (n->n_slots - 1);
        return &n->slots[at];
}

/* At most half of the slots are taken: their number is a power of two and doubles with the list. */
static int grow(struct names *n) {
        size_t n_slots = n->n_slots ? 2 * n->n_slots : SLOTS_MIN;
        const char **list;
        uint32_t *slots;

        if (n_slots / 2 > UINT32_MAX / 2)
                return -E2BIG;
        list = reallocarray(n->list, n_slots / 2, sizeof(*list));
        if (!list)
                return -ENOMEM;
        n->list = list;
        slots = calloc(n_slots, sizeof(*slots));
        if (!slots)
                return -ENOMEM;
        free(n->slots);
        n->slots = slots;
        n->n_slots = n_slots;
        for (size_t i = 0; i < n->n; i++)
                *slot_of(n, n->list[i]) = (uint32_t)i + 1;
        return 0;
}

int names_put(struct names *n, const char *name, size_t *ret_index) {
        size_t found = names_find(n, name);
        const char *copy;
        int r;

        if (found == SIZE_MAX) {
                if (n->n == n->n_slots / 2) {
                        r = grow(n);
                        if (r < 0)
                                return r;
                }
                copy = texts_put(&n->texts, name, strlen(name));
                if (!copy)
                        return -ENOMEM;
                *slot_of(n, copy) = (uint32_t)n->n + 1;
                n->list[n->n] = copy;
                found = n->n++;
        }
        *ret_index = found;
        return 0;
}

size_t names_find(const struct names *n, const char *name) {
        uint32_t slot = n->n_slots > 0 ? *slot_of(n, name) : 0;

        return slot ? slot - 1 : SIZE_MAX;
}

void names_clear(struct names *n) {
        texts_clear(&n->texts);
        free(n->list);
        free(n->slots);
        *n = (struct names){0};
}
