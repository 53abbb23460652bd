#include "common/aws_credentials.h"
#include "common/aws_config_limits.h"
#include "common/buf.h"
#include "common/creds.h"
#include "common/ini.h"
#include "common/secret.h"

#include <string.h>

#define MARK_COMMENT "# written by mfactl export from profile "
#define MARK_KEY     "x_mfad_expiration"

struct removal {
        const char *text, *section;
        struct buf *ret;
        size_t copied; /* how much of the text has been copied or left out */
        int n_lines;
};

/* Lines end with LF, CR LF or CR; the last one of a file may have no end. */
static int count_lines(const char *text, size_t len) {
        int n = 0;

        for (size_t i = 0; i < len; i++)
                if (text[i] == '\n' || i + 1 == len || (text[i] == '\r' && text[i + 1] != '\n'))
                        n++;
        return n;
}

static int on_removal_entry(const struct ini_entry *e, void *userdata, const char **ret_what) {
        struct removal *r = userdata;
        int k;

        (void)ret_what; /* nothing here is the text's fault */
        if (!e->key || strcmp(e->section, r->section) != 0 ||
            (strcmp(e->key, "aws_access_key_id") != 0 &&
             strcmp(e->key, "aws_secret_access_key") != 0))
                return 0;
        k = buf_put(r->ret, r->text + r->copied, e->start - r->copied);
        if (k < 0)
                return k;
        r->n_lines += count_lines(r->text + e->start, e->end - e->start);
        r->copied = e->end;
        return 0;
}

int aws_credentials_without_key(const char *text, size_t len, const char *section,
                                struct buf *ret) {
        struct removal r = {.text = text, .section = section, .ret = ret};
        struct ini_error error;
        int k;

        k = ini_parse(text, len, on_removal_entry, &r, &error);
        if (k < 0)
                return k;
        k = buf_put(ret, text + r.copied, len - r.copied);
        return k < 0 ? k : r.n_lines;
}

/* Every key that says who one is. aws_security_token is what botocore reads before aws_session_token. */
enum mark {
        MARK_ID,
        MARK_SECRET,
        MARK_TOKEN,
        MARK_OLD_TOKEN,
        MARK_OURS,
        _MARK_MAX,
};
static const char *const mark_keys[_MARK_MAX] = {
        [MARK_ID] = "aws_access_key_id",
        [MARK_SECRET] = "aws_secret_access_key",
        [MARK_TOKEN] = "aws_session_token",
        [MARK_OLD_TOKEN] = "aws_security_token",
        [MARK_OURS] = MARK_KEY,
};

struct span {
        size_t start, end;
};

struct place { /* the section in the text */
        const char *section;
        bool is_found, is_open;
        struct span head;            /* its first line */
        size_t end;                  /* where the next section begins, or the text ends */
        struct span keys[_MARK_MAX]; /* of those it has, in the text's order */
        size_t n_keys;
        bool has[_MARK_MAX]; /* with something behind it */
        size_t next;         /* the first entry behind its head, or the text's end */
};

static int on_place_entry(const struct ini_entry *e, void *userdata, const char **ret_what) {
        struct place *p = userdata;

        (void)ret_what; /* nothing here is the text's fault */
        if (p->is_open && p->next == SIZE_MAX)
                p->next = e->start;
        if (!e->key) {
                if (p->is_open)
                        p->end = e->start;
                p->is_open = strcmp(e->section, p->section) == 0;
                if (p->is_open) {
                        p->is_found = true;
                        p->head = (struct span){e->start, e->end};
                }
                return 0;
        }
        for (size_t i = 0; p->is_open && i < _MARK_MAX; i++)
                if (strcmp(e->key, mark_keys[i]) == 0) {
                        p->keys[p->n_keys++] = (struct span){e->start, e->end};
                        p->has[i] = e->value[0] != '\0';
                }
        return 0;
}

static int find_place(const char *text, size_t len, const char *section, struct place *ret) {
        struct ini_error error;
        int r;

        *ret = (struct place){.section = section, .end = SIZE_MAX, .next = SIZE_MAX};
        r = ini_parse(text, len, on_place_entry, ret, &error);
        if (r < 0)
                return r;
        if (ret->end == SIZE_MAX)
                ret->end = len;
        if (ret->next == SIZE_MAX)
                ret->next = len;
        /* without our mark it may be a key that lasts, and without a token it is one */
        if ((ret->has[MARK_ID] || ret->has[MARK_SECRET]) &&
            !(ret->has[MARK_OURS] && ret->has[MARK_TOKEN]))
                return -EEXIST;
        return 0;
}

/* How @len bytes of text end their lines, judged by the first one with an LF; CR only when there is none:
 * before an LF it would not end a line of its own. */
static const char *line_end_of(const char *text, size_t len) {
        const char *lf = memchr(text, '\n', len);

        if (lf)
                return lf > text && lf[-1] == '\r' ? "\r\n" : "\n";
        return memchr(text, '\r', len) ? "\r" : "\n";
}

/* The blanks that the line at @text begins with. */
static size_t indent_len(const char *text, size_t len) {
        size_t n = 0;

        while (n < len && (text[n] == ' ' || text[n] == '\t' || text[n] == '\v' || text[n] == '\f'))
                n++;
        return n;
}

struct writing { /* our lines, as they will stand there */
        struct buf *ret;
        const char *indent;
        size_t indent_len;
        const char *line_end;
};

static int put_line(const struct writing *w, const char *before, const char *value) {
        int r;

        if ((r = buf_put(w->ret, w->indent, w->indent_len)) < 0 ||
            (r = buf_puts(w->ret, before)) < 0 || (r = buf_puts(w->ret, value)) < 0)
                return r;
        return buf_puts(w->ret, w->line_end);
}

static int put_creds(const struct writing *w, const char *profile, const struct creds *creds) {
        char expiration[21];
        int r;

        encode_time_iso(creds->expiration_sec, expiration);
        if ((r = put_line(w, MARK_COMMENT, profile)) < 0 ||
            (r = put_line(w, "aws_access_key_id = ", creds->access_key_id)) < 0 ||
            (r = put_line(w, "aws_secret_access_key = ", secret_reveal(creds->secret_key))) < 0 ||
            (r = put_line(w, "aws_session_token = ", secret_reveal(creds->session_token))) < 0)
                return r;
        return put_line(w, MARK_KEY " = ", expiration);
}

/* Copies text, but for our comment lines in it. */
static int put_without_comments(struct buf *ret, const char *text, size_t len) {
        static const char mark[] = MARK_COMMENT;
        const char *end = text + len;

        for (const char *p = text, *next; p < end; p = next) {
                size_t indent = indent_len(p, (size_t)(end - p));
                int r;

                for (next = p; next < end && *next != '\n' && *next != '\r'; next++)
                        ;
                if (next < end)
                        next += *next == '\r' && next + 1 < end && next[1] == '\n' ? 2 : 1;
                if ((size_t)(next - p) - indent >= sizeof(mark) - 1 &&
                    memcmp(p + indent, mark, sizeof(mark) - 1) == 0)
                        continue;
                r = buf_put(ret, p, (size_t)(next - p));
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Our lines go where the first of the old ones stood, else behind the head. They must be indented as
 * what they replace, else as what follows: a line that is deeper than the key before it would go on
 * with that key's value. */
static int put_section(const char *text, size_t len, const struct place *p, struct writing *w,
                       const char *profile, const struct creds *creds) {
        size_t at = p->head.end, line = p->n_keys > 0 ? p->keys[0].start : p->next;
        int r;

        w->indent = text + line;
        w->indent_len = indent_len(text + line, len - line);
        if (p->n_keys == 0) {
                r = put_creds(w, profile, creds);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < p->n_keys; i++) {
                r = put_without_comments(w->ret, text + at, p->keys[i].start - at);
                if (r >= 0 && i == 0)
                        r = put_creds(w, profile, creds);
                if (r < 0)
                        return r;
                at = p->keys[i].end;
        }
        return put_without_comments(w->ret, text + at, p->end - at);
}

static bool ends_line(const struct buf *b) {
        return b->len == 0 || b->data[b->len - 1] == '\n' || b->data[b->len - 1] == '\r';
}

static int put_text(const char *text, size_t len, const struct place *p, const char *profile,
                    const struct creds *creds, struct buf *ret) {
        struct writing w = {.ret = ret, .indent = "", .line_end = line_end_of(text, len)};
        int r;

        r = buf_put(ret, text, p->is_found ? p->head.end : len);
        if (r >= 0 && !ends_line(ret))
                r = buf_puts(ret, w.line_end);
        if (r < 0)
                return r;
        if (p->is_found) {
                r = put_section(text, len, p, &w, profile, creds);
                return r < 0 ? r : buf_put(ret, text + p->end, len - p->end);
        }
        if ((len > 0 && (r = buf_puts(ret, w.line_end)) < 0) ||
            (r = buf_printf(ret, "[%s]%s", p->section, w.line_end)) < 0)
                return r;
        return put_creds(&w, profile, creds);
}

/* What would be read back as something else is not written. */
static bool is_writable(const char *section, const char *profile, const struct creds *creds) {
        return *section && strcmp(section, "DEFAULT") != 0 &&
               text_is_printable(section, PROFILE_NAME_MAX) &&
               text_is_printable(profile, PROFILE_NAME_MAX) &&
               text_is_access_key_id(creds->access_key_id) && creds->secret_key &&
               creds->session_token && *secret_reveal(creds->session_token) &&
               text_is_graph(secret_reveal(creds->secret_key), SECRET_KEY_MAX) &&
               text_is_graph(secret_reveal(creds->session_token), SESSION_TOKEN_MAX);
}

int aws_credentials_with_session(const char *text, size_t len, const char *section,
                                 const char *profile, const struct creds *creds, struct buf *ret) {
        struct place place;
        int r;

        if (!is_writable(section, profile, creds))
                return -EINVAL;
        r = find_place(text, len, section, &place);
        return r < 0 ? r : put_text(text, len, &place, profile, creds, ret);
}
