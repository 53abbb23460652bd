/* errors.h - how mfactl ends: exit codes, and the one table from the daemons' errors to them.
 * Owns:  the tables.
 * Calls: output.h, units.h, port.h, runtime_dir.h.
 * Limit: none.
 * A function that returns `enum exit_code` has already told the user what went wrong. */
#pragma once
#include <jansson.h>
#include <stddef.h>

enum exit_code {
        EXIT_CODE_OK = 0,
        EXIT_CODE_FAILURE = 1,
        EXIT_CODE_USAGE = 2,       /* also: a terminal was needed and there is none */
        EXIT_CODE_NOT_RUNNING = 3, /* or not to be trusted */
        EXIT_CODE_LOCKED = 4,      /* or sealed */
        EXIT_CODE_CODE_REFUSED = 5,
        EXIT_CODE_BUSY = 6, /* or must wait */
        EXIT_CODE_AWS = 7,
        EXIT_CODE_VAULT = 8,
};

struct errors_entry {
        const char *error; /* the Varlink error's full name */
        enum exit_code code;
        const char *next; /* what to run or do next; NULL when only the message can say */
};

/* The entry for @error, or NULL for a name that neither interface has. */
const struct errors_entry *errors_find(const char *error);

/* The table itself; NULL beyond its end. For tests. */
size_t errors_n(void);
const struct errors_entry *errors_at(size_t i);

/* Of two ways to end, the one that a command with several parts ends with. */
enum exit_code errors_worse(enum exit_code a, enum exit_code b);

/* Prints the error that a service answered with: its message, and the next command unless the message
 * names one. Returns its exit code. */
enum exit_code errors_service(const char *error, const json_t *parameters);
/* The same, with @name before it: whose failure it is. */
enum exit_code errors_service_of(const char *name, const char *error, const json_t *parameters);

/* Prints why @socket ("control" or "vault") could not be reached; @r: link.h's negative errno. */
enum exit_code errors_link(const char *socket, int r);
