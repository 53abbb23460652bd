/* code_memory.h - which MFA codes were signed lately, so that none goes to AWS twice.
 * Owns:  a random key and HMACs under it, never a code; and the file `codes` in the runtime directory,
 *        through which they outlive a seal or a crash of this process.
 * Calls: libcrypto (HMAC-SHA-256), common/clock.h, fs.h, boot_id.h.
 * Limit: CODE_MEMORY_MAX codes within CODE_MEMORY_SEC; beyond that it takes no more: forgetting the
 *        oldest would allow what it is there to prevent. */
#pragma once
#include "common/macros.h"
#include <stdint.h>

#define CODE_MEMORY_SEC 120 /* four TOTP windows: AWS's drift to either side included */
#define CODE_MEMORY_MAX 64

struct code_memory;

/* @dir_fd: the runtime directory, copied; negative to remember in memory only. A file of this boot
 * that can be read is taken up; any other counts as none. Returns 0, -ENOMEM, -EIO without random
 * numbers. */
int code_memory_new(int dir_fd, struct code_memory **ret);
struct code_memory *code_memory_free(struct code_memory *m);
DEFINE_FREEP(struct code_memory, code_memory)

/* Returns 0 when @code of @serial may be used, or the seconds (1 or more) until it is forgotten; or a
 * negative errno: -ENOSPC when there is no room to remember another, -EIO. */
int code_memory_check(struct code_memory *m, const char *serial, const char *code);
/* Remembers it from now on; after a 0 of code_memory_check() in the same turn. Returns 0 or -EIO. */
int code_memory_add(struct code_memory *m, const char *serial, const char *code);
/* No byte of the request went out: it may be used again. */
void code_memory_forget(struct code_memory *m, const char *serial, const char *code);
