#include "common/ini.h"
#include "common/buf.h"
#include "common/macros.h"
#include "common/texts.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

struct line {
        size_t start, end; /* in the text, line end included */
        size_t indent;
        const char *p; /* without the space around it */
        size_t len;
};

struct parser {
        const char *text;
        size_t len, at;
        unsigned line_no;
        ini_fn fn;
        void *userdata;
        const char *what; /* why it failed */

        struct buf section, key, value;
        struct names seen_sections, seen_keys; /* the latter of the section that is open */
        size_t indent;                         /* of the last line that was not a continuation */
        size_t n_blank; /* lines that belong to the value if it goes on after them */
        bool has_section;
        struct ini_entry open; /* the key whose value may go on; open.key is NULL for none */
};

static bool is_space(char c) {
        return c == ' ' || (c >= '\t' && c <= '\r');
}

static size_t trimmed_len(const char *p, size_t len) {
        while (len > 0 && is_space(p[len - 1]))
                len--;
        return len;
}

/* A line ends with LF, CR LF or CR, as in Python's text files. */
static bool next_line(struct parser *p, struct line *ret) {
        const char *start = p->text + p->at, *end = p->text + p->len, *q = start;

        if (start == end)
                return false;
        while (q < end && *q != '\n' && *q != '\r')
                q++;
        *ret = (struct line){.start = p->at, .p = start, .len = trimmed_len(start, q - start)};
        while (ret->len > 0 && is_space(*ret->p)) {
                ret->p++;
                ret->len--;
                ret->indent++;
        }
        if (q < end)
                q += *q == '\r' && q + 1 < end && q[1] == '\n' ? 2 : 1;
        ret->end = p->at = (size_t)(q - p->text);
        p->line_no++;
        return true;
}

static int fail(struct parser *p, const char *what) {
        p->what = what;
        return -EINVAL;
}

static int set_text(struct buf *b, const char *text, size_t len) {
        b->len = 0;
        return buf_put(b, text, len);
}

/* Adds @name to the names in @seen. Returns 0, -EEXIST or -ENOMEM. */
static int remember(struct names *seen, const struct buf *name) {
        size_t before = seen->n, place;
        int r;

        r = names_put(seen, name->data, &place);
        return r < 0 ? r : place < before ? -EEXIST : 0;
}

static int tell(struct parser *p, const struct ini_entry *entry) {
        p->line_no = entry->line; /* should it fail, this is the line to name */
        return p->fn(entry, p->userdata, &p->what);
}

/* Hands out the key that is open. */
static int finish_key(struct parser *p) {
        unsigned line_no = p->line_no;
        int r;

        if (!p->open.key)
                return 0;
        p->open.section = p->section.data;
        p->open.key = p->key.data;
        p->open.value = buf_text(&p->value);
        r = tell(p, &p->open);
        if (r < 0)
                return r;
        p->line_no = line_no;
        p->open.key = NULL;
        return 0;
}

static int open_section(struct parser *p, const struct line *line, size_t name_len) {
        struct ini_entry entry = {
                .value = "", .line = p->line_no, .start = line->start, .end = line->end};
        int r;

        r = set_text(&p->section, line->p + 1, name_len);
        if (r < 0)
                return r;
        r = remember(&p->seen_sections, &p->section);
        if (r == -EEXIST)
                return fail(p, "this section stands twice");
        if (r < 0)
                return r;
        if (p->seen_sections.n > INI_SECTIONS_MAX)
                return fail(p, "too many sections");
        p->has_section = true;
        names_clear(&p->seen_keys);
        entry.section = p->section.data;
        return tell(p, &entry);
}

static int open_key(struct parser *p, const struct line *line) {
        const char *mark = line->p, *end = line->p + line->len;
        size_t key_len;
        int r;

        while (mark < end && *mark != '=' && *mark != ':')
                mark++;
        if (mark == end)
                return fail(p, "neither a section nor \"key = value\"");
        key_len = trimmed_len(line->p, (size_t)(mark - line->p));
        if (key_len == 0)
                return fail(p, "a value without a key");
        for (mark++; mark < end && is_space(*mark); mark++)
                ;
        if ((r = set_text(&p->key, line->p, key_len)) < 0 ||
            (r = set_text(&p->value, mark, (size_t)(end - mark))) < 0)
                return r;
        for (char *c = p->key.data; *c; c++)
                *c = (char)tolower((unsigned char)*c);

        r = remember(&p->seen_keys, &p->key);
        if (r == -EEXIST)
                return fail(p, "this key stands twice in its section");
        if (r < 0)
                return r;
        if (p->seen_keys.n > INI_KEYS_MAX)
                return fail(p, "too many keys in one section");
        p->open = (struct ini_entry){
                .key = p->key.data, .line = p->line_no, .start = line->start, .end = line->end};
        p->n_blank = 0;
        return 0;
}

static int continue_value(struct parser *p, const struct line *line) {
        int r;

        for (; p->n_blank > 0; p->n_blank--) {
                r = buf_puts(&p->value, "\n");
                if (r < 0)
                        return r;
        }
        if ((r = buf_puts(&p->value, "\n")) < 0 || (r = buf_put(&p->value, line->p, line->len)) < 0)
                return r;
        p->open.end = line->end;
        return 0;
}

/* The length of the name when @line opens a section, else 0. As in Python's pattern, the name goes up
 * to the last bracket and what follows that is dropped. */
static size_t section_name_len(const struct line *line) {
        const char *last = memrchr(line->p, ']', line->len);

        return line->p[0] == '[' && last ? (size_t)(last - line->p - 1) : 0;
}

static int read_line(struct parser *p, const struct line *line) {
        size_t name_len;
        int r;

        if (memchr(line->p, '\0', line->len))
                return fail(p, "a NUL byte");
        if (line->len == 0) {
                p->n_blank++;
                return 0;
        }
        if (line->p[0] == '#' || line->p[0] == ';')
                return 0;
        if (p->open.key && line->indent > p->indent)
                return continue_value(p, line);

        r = finish_key(p);
        if (r < 0)
                return r;
        p->indent = line->indent;
        name_len = section_name_len(line);
        if (name_len > 0)
                return open_section(p, line, name_len);
        if (!p->has_section)
                return fail(p, "text before the first section");
        return open_key(p, line);
}

static void parser_clear(struct parser *p) {
        buf_clear(&p->section);
        buf_clear(&p->key);
        buf_clear(&p->value);
        names_clear(&p->seen_sections);
        names_clear(&p->seen_keys);
}

int ini_parse(const char *text, size_t len, ini_fn fn, void *userdata,
              struct ini_error *ret_error) {
        /* nothing that is kept of the text can be longer than the text */
        _cleanup_(parser_clear) struct parser p = {
                .text = text,
                .len = len,
                .fn = fn,
                .userdata = userdata,
                .section = BUF_INIT(len),
                .key = BUF_INIT(len),
                .value = BUF_INIT(len),
        };
        struct line line;
        int r = 0;

        if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
                p.at = 3; /* a byte order mark, as some editors write it */
        while (r >= 0 && next_line(&p, &line))
                r = read_line(&p, &line);
        if (r >= 0)
                r = finish_key(&p);
        if (r < 0)
                *ret_error = (struct ini_error){.line = p.line_no,
                                                .what = p.what ? p.what : "cannot be read"};
        return r < 0 ? r : 0;
}
