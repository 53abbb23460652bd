/* process.h - what every program does before anything else: narrow its own process.
 * Owns:  the process attributes.
 * Calls: the kernel; log.h.
 * Limit: called once, first in main, single-threaded. */
#pragma once
#include "common/macros.h"

/* Not dumpable, no core, umask 077, SIGPIPE ignored, descriptors 0-2 open, "C" locale. Aborts when
 * the process runs set-uid. Refuses (-EPERM, logged) nothing else. Returns 0 or a negative errno. */
int process_harden(void);
/* The same for mfactl, which may become the user's command: the hard limit of core dumps, which no
 * process could raise again, stays. Not dumpable means no core dump either way (prctl(2)). */
int process_harden_client(void);

/* Removes every environment variable that @allowed (NULL-terminated) does not name, so that no
 * SSLKEYLOGFILE, http_proxy or LD_* has an effect on us or on what we start. Returns 0 or -ENOMEM. */
int process_clean_environment(const char *const allowed[]);

/* Closes every descriptor from @first on. */
void process_close_from(int first);
