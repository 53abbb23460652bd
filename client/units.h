/* units.h - the user's systemd, as far as mfactl speaks of it: are mfad's units there, and how are they started.
 * Owns:  nothing.
 * Calls: child.h, access(2).
 * Limit: none. */
#pragma once
#include <stdbool.h>

/* The units are installed and a user manager runs that can start them. */
bool units_are_there(void);
/* The command that starts both daemons. */
const char *units_how_to_start(void);
/* What starts mfad anew. */
const char *units_how_to_restart(void);
/* systemd has tried to start the unit @name, and given up. False when there is no asking. */
bool units_has_failed(const char *name);
