/* ini.h - INI text, read line by line with the rules of Python's configparser, as botocore uses it.
 * Owns:  nothing that outlives a call; what it hands out is wiped afterwards.
 * Calls: buf.h, texts.h.
 * Limit: INI_SECTIONS_MAX sections, INI_KEYS_MAX keys in one of them; the caller bounds the text.
 * Source: Lib/configparser.py of Python 3.11 (RawConfigParser with its defaults), run beside it in the
 * tests. The rules: `[section]`, `key = value` or `key: value`; a key is lower-cased; what is indented
 * deeper than its key continues the value on a new line; "#" or ";" makes a comment only as the first
 * character of a line; a section or key that stands twice is an error. Unlike Python we skip a byte
 * order mark, refuse NUL bytes and take only ASCII space for space. */
#pragma once
#include <stddef.h>

#define INI_SECTIONS_MAX 8192
#define INI_KEYS_MAX     256

/* One key with its value, or, when key is NULL, the line that opens a section. */
struct ini_entry {
        const char *section;
        const char *key;
        const char *value; /* "" for none; the lines of a long one are joined by "\n" */
        unsigned line;     /* from 1 */
        size_t start, end; /* its lines in the text, line ends included */
};

struct ini_error {
        unsigned line;
        const char *what; /* static text */
};

/* Runs for each entry in the text's order; @entry is lent until it returns. A negative errno ends the
 * reading; @ret_what may then say why (static text). */
typedef int (*ini_fn)(const struct ini_entry *entry, void *userdata, const char **ret_what);

/* Returns 0; -EINVAL with @ret_error filled when the text is no INI or @fn said so; -ENOMEM. */
int ini_parse(const char *text, size_t len, ini_fn fn, void *userdata, struct ini_error *ret_error);
