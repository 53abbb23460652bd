/* macros.h - the few macros that every file may use.
 * Owns:  nothing.
 * Calls: the C library.
 * Limit: nothing here allocates or logs. */
#pragma once
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f)   __attribute__((cleanup(f)))
#define _printf_(a, b) __attribute__((format(printf, a, b)))
#define _unused_       __attribute__((unused))
#define _noreturn_     __attribute__((noreturn))
#define _noinline_     __attribute__((noinline))
#define ELEMENTSOF(x)  (sizeof(x) / sizeof((x)[0]))
#define TAKE_PTR(p)                                                                                \
        ({                                                                                         \
                __typeof__(p) _taken = (p);                                                        \
                (p) = NULL;                                                                        \
                _taken;                                                                            \
        })
#define TAKE_FD(fd)                                                                                \
        ({                                                                                         \
                int _taken = (fd);                                                                 \
                (fd) = -EBADF;                                                                     \
                _taken;                                                                            \
        })

/* For `_cleanup_(x_freep) struct x *v`: calls x_free(), which takes NULL and returns NULL. */
#define DEFINE_FREEP(type, name)                                                                   \
        static inline void name##_freep(type **p) {                                                \
                (void)name##_free(*p); /* returns NULL by convention */                            \
        }

static inline void freep(void *p) {
        free(*(void **)p);
}

/* Closes @fd unless it is negative; keeps errno. Always returns -EBADF. */
static inline int fd_close(int fd) {
        if (fd >= 0) {
                int saved = errno;
                (void)close(fd); /* Linux releases the descriptor whatever close() returns */
                errno = saved;
        }
        return -EBADF;
}

static inline void fd_closep(int *fd) {
        *fd = fd_close(*fd);
}
