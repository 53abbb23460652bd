/* lock.h - forgetting everything by becoming a new process image.
 * Owns:  nothing.
 * Calls: listen.h, common/varlink.h.
 * Limit: none. */
#pragma once
#include "common/macros.h"

struct listen_set;

/* Hands @set over to a new image of this program. Where that fails nothing may go on that still holds
 * secrets: aborts. */
_noreturn_ void lock_become_new(char *const argv[], const struct listen_set *set);
/* The new image's first act: tells whoever called Lock on the old one that nothing of it is left.
 * @ack_fd is taken; negative for nobody. */
void lock_acknowledge(int ack_fd);
