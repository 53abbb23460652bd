/* duration.h - lengths of time as users write them, and points in time as users read them.
 * Owns:  nothing.
 * Calls: the C library.
 * Limit: DURATION_SEC_MIN to DURATION_SEC_MAX, AWS's limits for GetSessionToken. */
#pragma once
#include "common/macros.h"
#include <stdint.h>

#define DURATION_SEC_MIN  (15 * 60)
#define DURATION_SEC_MAX  (36 * 60 * 60)
#define DURATION_TEXT_MAX 48

/* "3600", "3600s", "15m" to "36h". Returns 0, -EINVAL for what is no duration, -ERANGE beyond AWS's
 * limits. */
int duration_parse(const char *text, uint32_t *ret_sec);
/* "12 h 0 min", "34 min", "50 s"; "0 s" for what is over. */
void duration_words(int64_t seconds, char out[DURATION_TEXT_MAX]);
/* @wall_sec in local time as seen at @now_sec: "18:20" today, "Sun 23 Nov 06:20" on another day. */
void duration_clock(int64_t wall_sec, int64_t now_sec, char out[DURATION_TEXT_MAX]);
