/* output.h - everything mfactl says to a human, made safe for a terminal.
 * Owns:  what is known about stdout and stderr.
 * Calls: buf.h, stdio.
 * Limit: OUTPUT_TEXT_MAX bytes a message; the rest is cut.
 * Text from elsewhere (AWS, files, names) may hold escape sequences: only printable text passes. */
#pragma once
#include "common/macros.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OUTPUT_TEXT_MAX ((size_t)16 * 1024)

struct buf;

enum output_style {
        OUTPUT_PLAIN = 0,
        OUTPUT_GOOD,
        OUTPUT_BAD,
        OUTPUT_WARN,
        OUTPUT_STRONG,
        OUTPUT_FAINT,
};

/* Looks at the terminals, NO_COLOR (no-color.org) and the locale's character set. Call once. */
void output_open(void);
bool output_is_terminal(void);       /* stdout */
bool output_error_is_terminal(void); /* stderr */

/* Appends @text with every C0 (but newline and tab), DEL, C1 and invisible or bidirectional control
 * character, and every byte that is not UTF-8, shown as \xNN or \uNNNN; without @utf8 every byte
 * beyond ASCII. Errors as buf_put(). */
int output_filter(const char *text, bool utf8, struct buf *ret);
/* The same, with what the locale says. */
int output_safe(const char *text, struct buf *ret);

/* To stdout, as it stands: no newline is added. */
void output_say(enum output_style style, const char *format, ...) _printf_(2, 3);
/* To stderr: "mfactl: …", "mfactl: warning: …", and a line that says what to do next. */
void output_error(const char *format, ...) _printf_(1, 2);
void output_warning(const char *format, ...) _printf_(1, 2);
void output_hint(const char *format, ...) _printf_(1, 2);
/* To stderr, on a terminal only: a word while something takes time; removed by output_progress_end(). */
void output_progress(const char *text);
void output_progress_end(void);

/* Writes bytes that may be secret to stdout without leaving a copy in stdio's buffer.
 * Returns 0 or a negative errno. */
int output_raw(const void *bytes, size_t len);
/* Flushes stdout. Returns 0, or a negative errno when something said could not be written. */
int output_close(void);
