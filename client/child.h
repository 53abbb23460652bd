/* child.h - runs another program, takes what it prints, and does not wait for ever.
 * Owns:  the program and its group until the call returns; the terminal's settings meanwhile.
 * Calls: the kernel.
 * Limit: the caller's buffer, and the caller's patience.
 * SIGINT, SIGQUIT, SIGTERM and SIGHUP end the program too, and then mfactl as usual; SIGTSTP is
 * passed over. Core dumps stay off, and new files private. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#define CHILD_NOT_FOUND 127 /* what a shell says too, POSIX "Exit Status for Commands" */

struct child_wish {
        const char *const *argv; /* looked for in PATH, unless it has a slash */
        unsigned timeout_msec;
        /* its standard input is the terminal and its messages go where ours do; else it has neither, and
         * runs in "/" */
        bool is_seen;
        char *out; /* what it prints comes here: @size bytes, not terminated */
        size_t size;
};

/* Returns the program's exit code (128 and the number after a signal, as shells say it) with the length
 * of what it printed; -ETIMEDOUT or -E2BIG when it was killed for taking too long or printing too much;
 * -EINTR after one of our signals; another negative errno. */
int child_run(const struct child_wish *wish, size_t *ret_len);
