/* journal.h - entries for journald in its own protocol (https://systemd.io/JOURNAL_NATIVE_PROTOCOL), without
 * ever waiting for it: sd_journal_sendv(3) would when journald's queue is full.
 * Owns:  nothing; a socket is the caller's.
 * Calls: socket(2).
 * Limit: JOURNAL_ENTRY_MAX bytes an entry; what is longer is cut. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#define JOURNAL_ENTRY_MAX ((size_t)8 * 1024)
#define JOURNAL_SOCKET    "/run/systemd/journal/socket"

struct journal_field {
        const char *name;
        const char *value; /* control characters in it become blanks; NULL leaves the field out */
};

/* Whether standard error is a stream to journald: what systemd.exec(5) says of $JOURNAL_STREAM. */
bool journal_is_stderr(void);
/* Returns a descriptor or a negative errno. */
int journal_open(void);
/* Sends one entry to the socket @path. Returns 0; -EAGAIN when journald cannot take it now; another errno
 * when nobody is there. */
int journal_send(int fd, const char *path, const struct journal_field *fields, size_t n);
