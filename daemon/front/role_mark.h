/* role_mark.h - a fingerprint of all that decides which credentials AssumeRole gives.
 * Owns:  nothing.
 * Calls: libcrypto (SHA-256).
 * Limit: two profiles with the same mark are the same to us. */
#pragma once
#include <stdint.h>

struct profile_view;

struct role_mark {
        uint8_t sha256[32];
};

/* Returns 0 or -EIO. */
int role_mark_make(const struct profile_view *view, struct role_mark *ret);
