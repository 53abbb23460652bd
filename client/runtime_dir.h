/* runtime_dir.h - is there a folder where mfad's sockets could be, and what helps when there is none.
 * Owns:  nothing.
 * Calls: the kernel.
 * Limit: none. */
#pragma once

/* NULL when the daemons can have their folder in $XDG_RUNTIME_DIR; else the command, for every terminal, after
 * which they can. */
const char *runtime_dir_advice(void);
