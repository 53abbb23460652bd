/* child.h - runs another program, takes what it prints, and does not wait for ever.
 * Owns:  the program and its group until the call returns; the terminal's settings meanwhile.
 * Calls: the kernel.
 * Limit: the caller's buffer, and the caller's patience.
 * Core dumps stay off, new files private, and a program ends with mfactl, however that ends. */
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

/* SIGINT, SIGQUIT, SIGTERM and SIGHUP end the program too, and then mfactl as usual; SIGTSTP is passed over.
 * Returns the program's exit code (128 and the number after a signal, as shells say it) with the length
 * of what it printed; -ETIMEDOUT or -E2BIG when it was killed for taking too long or printing too much;
 * -EINTR after one of our signals; another negative errno. */
int child_run(const struct child_wish *wish, size_t *ret_len);

/* @line: of @len bytes, without its newline. Returns 0, or a negative errno when it wants no more. */
typedef int (*child_line_fn)(const char *line, size_t len, void *userdata);
/* Hands every line of what the program prints to @fn as soon as it is complete; one that does not fit into
 * @wish->out is passed over. @wish->timeout_msec may be 0 here: for ever. Signals act as they always do.
 * Returns the exit code once all has been printed; -ETIMEDOUT, or what @fn returned, when it was killed
 * for that; another negative errno. */
int child_lines(const struct child_wish *wish, child_line_fn fn, void *userdata);
