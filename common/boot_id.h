/* boot_id.h - which boot this is: CLOCK_BOOTTIME in a file means nothing after the next one.
 * Owns:  nothing.
 * Calls: fs.h.
 * Limit: none. */
#pragma once

#define BOOT_ID_LEN 36

/* "/proc/sys/kernel/random/boot_id" without its newline. Returns 0 or a negative errno. */
int boot_id_read(char ret[BOOT_ID_LEN + 1]);
