/* tell.h - states and failures in the words and colours that several commands share.
 * Owns:  nothing.
 * Calls: layout.h, duration.h, call.h.
 * Limit: none. */
#pragma once
#include "client/output.h"
#include <jansson.h>
#include <stddef.h>

/* The colour of a state's name; @state may be NULL. */
enum output_style tell_style(const char *state);
/* Says a Failure of org.mfad.Control, indented by @indent, on as many lines as it takes: since when,
 * the last try, and the message. Nothing when @failure is null. */
void tell_failure(const json_t *failure, size_t columns, size_t indent);
/* "18:20 (1 h 0 min left)" for credentials that end in @left seconds, into @out. */
#define TELL_UNTIL_MAX 128
void tell_until(int64_t left, char out[TELL_UNTIL_MAX]);
