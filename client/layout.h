/* layout.h - text laid out for people: how wide the terminal is, how wide a text is, and paragraphs.
 * Owns:  nothing.
 * Calls: output.h, buf.h, ioctl(2).
 * Limit: LAYOUT_COLUMNS_MAX columns; every character counts as one, and a word that is wider than a line
 *        stays whole, so that it can be copied. */
#pragma once
#include "client/output.h"
#include <stddef.h>

#define LAYOUT_COLUMNS_MIN 40
#define LAYOUT_COLUMNS_MAX 1000

/* The columns of the terminal on stdout; 0 when there is none: then nothing is broken or cut. */
size_t layout_columns(void);
/* The columns that @text takes when it is said. */
size_t layout_width(const char *text);
/* Says @text from the column @at on, broken at blanks before @columns (0: never), each further line
 * indented by @indent, and a newline. Returns 0 or -ENOMEM. */
int layout_paragraph(enum output_style style, size_t columns, size_t at, size_t indent,
                     const char *text);
/* The same as text: for tests, and the heart of it. @text has been made safe. Errors as buf_put(). */
int layout_break(const char *text, size_t columns, size_t at, size_t indent, struct buf *ret);
