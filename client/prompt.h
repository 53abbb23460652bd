/* prompt.h - asking the user: on /dev/tty, without echo for secrets; or a line from a descriptor.
 * Owns:  the terminal's settings while a question stands; they are put back whatever happens.
 * Calls: secret.h, output.h, the kernel.
 * Limit: PROMPT_LINE_MAX bytes a line.
 * SIGINT, SIGQUIT, SIGTERM, SIGHUP put the terminal back and then end the process as usual; SIGTSTP stops
 * it, and the question is asked again when it goes on. */
#pragma once
#include "common/macros.h"
#include <stdbool.h>
#include <stddef.h>

#define PROMPT_LINE_MAX ((size_t)1024)

struct secret;

/* Is there a terminal to ask on? */
bool prompt_is_possible(void);

/* Asks for one line without showing what is typed. Returns 0; -ENXIO without a terminal, -ENODATA at
 * end of input, -E2BIG for a line that is too long, or another errno. */
int prompt_secret(const char *question, struct secret **ret);
/* The same, shown while typed, into @out of @size bytes. */
int prompt_line(const char *question, char *out, size_t size);
/* Asks "@question [Y/n] " until the answer is yes, no or nothing (then @otherwise); end of input is no. */
bool prompt_yes(const char *question, bool otherwise);

/* Reads the next line of @fd, byte by byte, so that what follows stays there for the next reader.
 * A final "\r" is dropped. Errors as prompt_secret(). */
int prompt_read_fd(int fd, struct secret **ret);
