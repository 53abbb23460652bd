/* environment_d.h - the endpoint's variables for the whole login: a file of environment.d(5).
 * Owns:  ~/.config/environment.d/60-mfad.conf.
 * Calls: fs.h, output.h, prompt.h.
 * Limit: ENVIRONMENT_D_MAX bytes.
 * The client token itself is not in it: every process of the desktop would carry it along. */
#pragma once
#include "client/errors.h"
#include <stdbool.h>
#include <stdint.h>

#define ENVIRONMENT_D_MAX ((size_t)4096)

/* Explains and, when the user agrees or @is_unattended, writes the file for @port. Nothing is said when it
 * is there already; a file that is not ours stays, with a warning. */
enum exit_code environment_d_offer(uint16_t port, bool is_unattended);
/* Removes the file, unless it is not ours. */
enum exit_code environment_d_remove(void);
