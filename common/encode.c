#include "common/encode.h"
#include "common/buf.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HOST_LEN_MAX 253 /* RFC 1035, 2.3.4 */

static const char hex_digits[] = "0123456789abcdef";

void encode_hex(const void *bytes, size_t len, char *out) {
        const unsigned char *p = bytes;

        for (size_t i = 0; i < len; i++) {
                out[2 * i] = hex_digits[p[i] >> 4];
                out[2 * i + 1] = hex_digits[p[i] & 15];
        }
        out[2 * len] = '\0';
}

void encode_base64url(const void *bytes, size_t len, char *out) {
        static const char digits[] =
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        const unsigned char *p = bytes;
        size_t bits = 0;
        uint32_t held = 0;

        for (size_t i = 0; i < len; i++) {
                held = held << 8 | p[i];
                for (bits += 8; bits >= 6; bits -= 6)
                        *out++ = digits[held >> (bits - 6) & 63];
        }
        if (bits > 0)
                *out++ = digits[held << (6 - bits) & 63];
        *out = '\0';
}

int encode_uri(struct buf *b, const char *text) {
        for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
                char escaped[3] = {'%', (char)toupper(hex_digits[*p >> 4]),
                                   (char)toupper(hex_digits[*p & 15])};
                bool is_plain = (*p < 0x80 && isalnum(*p)) || strchr("-._~", *p);
                int r;

                r = is_plain ? buf_put(b, p, 1) : buf_put(b, escaped, sizeof(escaped));
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Whether @c stands for itself in a path, after @before in the name ('\0' at its start). */
static bool is_plain_in_path(unsigned char c, unsigned char before) {
        if (c == '.')
                return before != '.' && before != '\0';
        return c < 0x80 && (isalnum(c) || (c != '\0' && strchr("_@:=,+-", c)));
}

int encode_path_name(struct buf *b, const char *name) {
        unsigned char before = '\0';

        for (const unsigned char *p = (const unsigned char *)name; *p; before = *p++) {
                char escaped[3] = {'~', (char)toupper(hex_digits[*p >> 4]),
                                   (char)toupper(hex_digits[*p & 15])};
                int r;

                r = is_plain_in_path(*p, before) ? buf_put(b, p, 1)
                                                 : buf_put(b, escaped, sizeof(escaped));
                if (r < 0)
                        return r;
        }
        return 0;
}

/* The value of an upper-case hex digit, or -EINVAL. */
static int upper_hex_digit(char c) {
        return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -EINVAL;
}

int decode_path_name(const char *text, size_t len, char *out, size_t size) {
        unsigned char before = '\0';
        size_t n = 0;

        for (size_t i = 0; i < len; i++) {
                unsigned char c = (unsigned char)text[i];
                bool is_escaped = c == '~';

                if (is_escaped) {
                        int high = i + 2 < len ? upper_hex_digit(text[i + 1]) : -EINVAL;
                        int low = i + 2 < len ? upper_hex_digit(text[i + 2]) : -EINVAL;

                        if (high < 0 || low < 0)
                                return -EINVAL;
                        c = (unsigned char)(high << 4 | low);
                        i += 2;
                }
                if (c == '\0' || is_escaped == is_plain_in_path(c, before))
                        return -EINVAL;
                if (n + 1 >= size)
                        return -E2BIG;
                out[n++] = (char)c;
                before = c;
        }
        if (n >= size)
                return -E2BIG;
        out[n] = '\0';
        return 0;
}

void encode_time_basic(int64_t wall_sec, char *out) {
        time_t t = (time_t)wall_sec;
        struct tm tm;

        if (!gmtime_r(&t, &tm) || strftime(out, 17, "%Y%m%dT%H%M%SZ", &tm) == 0)
                out[0] = '\0'; /* a year of five digits: no text is better than a wrong one */
}

void encode_time_iso(int64_t wall_sec, char *out) {
        time_t t = (time_t)wall_sec;
        struct tm tm;

        if (!gmtime_r(&t, &tm) || strftime(out, 21, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
                out[0] = '\0';
}

int decode_time_iso(const char *text, int64_t *ret_wall_sec) {
        static const char pattern[] = "0000-00-00T00:00:00";
        struct tm tm = {0}, normal;
        const char *p;
        time_t t;

        for (size_t i = 0; i < sizeof(pattern) - 1; i++)
                if (pattern[i] == '0' ? !isdigit((unsigned char)text[i]) : text[i] != pattern[i])
                        return -EINVAL;
        p = text + sizeof(pattern) - 1;
        if (*p == '.') {
                size_t digits = strspn(p + 1, "0123456789");

                if (digits < 1 || digits > 9)
                        return -EINVAL;
                p += 1 + digits;
        }
        if (strcmp(p, "Z") != 0)
                return -EINVAL;

        if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
                   &tm.tm_hour, &tm.tm_min, &tm.tm_sec) != 6)
                return -EINVAL;
        tm.tm_year -= 1900;
        tm.tm_mon -= 1;
        normal = tm;
        t = timegm(&normal);
        /* timegm(3) turns 30 February into 2 March; a date that changed was none */
        if (normal.tm_mon != tm.tm_mon || normal.tm_mday != tm.tm_mday ||
            normal.tm_hour != tm.tm_hour || normal.tm_min != tm.tm_min ||
            normal.tm_sec != tm.tm_sec)
                return -EINVAL;
        *ret_wall_sec = (int64_t)t;
        return 0;
}

/* True when @text has @min to @max bytes, each alphanumeric ASCII or one of @more. */
static bool consists_of(const char *text, size_t min, size_t max, const char *more) {
        size_t n = strnlen(text, max + 1);

        if (n < min || n > max)
                return false;
        for (size_t i = 0; i < n; i++) {
                unsigned char c = (unsigned char)text[i];

                if (!(c < 0x80 && isalnum(c)) && !strchr(more, c))
                        return false;
        }
        return true;
}

bool text_is_graph(const char *text, size_t max) {
        size_t n = strnlen(text, max + 1);

        if (n < 1 || n > max)
                return false;
        for (size_t i = 0; i < n; i++)
                if (text[i] <= 0x20 || text[i] >= 0x7f)
                        return false;
        return true;
}

size_t text_utf8_sequence(const unsigned char *p, uint32_t *ret_point) {
        static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
        size_t n = *p < 0x80 ? 1 : *p >> 5 == 6 ? 2 : *p >> 4 == 14 ? 3 : *p >> 3 == 30 ? 4 : 0;
        uint32_t point;

        if (n == 0)
                return 0;
        point = n == 1 ? *p : (uint32_t)*p & (0xffU >> (n + 1));
        for (size_t i = 1; i < n; i++) {
                if ((p[i] & 0xc0) != 0x80) /* also stops at the final NUL */
                        return 0;
                point = point << 6 | (p[i] & 0x3f);
        }
        if (point < least[n] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000))
                return 0;
        *ret_point = point;
        return n;
}

bool text_is_printable(const char *text, size_t max) {
        const unsigned char *p = (const unsigned char *)text;

        if (strnlen(text, max + 1) > max)
                return false;
        while (*p) {
                uint32_t point = 0;
                size_t n = text_utf8_sequence(p, &point);

                if (n == 0 || point < 0x20 || (point >= 0x7f && point < 0xa0))
                        return false;
                p += n;
        }
        return true;
}

void text_make_printable(char *text) {
        if (text_is_printable(text, strlen(text)))
                return;
        for (char *p = text; *p; p++)
                if ((unsigned char)*p < 0x20 || (unsigned char)*p >= 0x7f)
                        *p = '?';
}

bool text_is_mfa_code(const char *text) {
        return strlen(text) == 6 && strspn(text, "0123456789") == 6;
}

bool text_is_access_key_id(const char *text) {
        return consists_of(text, 3, ACCESS_KEY_ID_MAX, "_-");
}

bool text_is_key_name(const char *text) {
        return consists_of(text, 1, KEY_NAME_MAX, "._@+=,:/-") && isalnum((unsigned char)text[0]);
}

bool text_is_mfa_serial(const char *text) {
        return consists_of(text, 9, MFA_SERIAL_MAX, "_+=/:,.@-");
}

bool text_is_role_arn(const char *text) {
        size_t colons = 0;

        if (!text_is_graph(text, USER_ARN_MAX) || strlen(text) < 20 ||
            strncmp(text, "arn:", 4) != 0)
                return false;
        for (const char *p = text; *p; p++)
                colons += *p == ':';
        return colons >= 5;
}

bool text_is_role_session_name(const char *text) {
        return consists_of(text, 2, 64, "_+=,.@-");
}

/* @len bytes that curl reads as a user's name or password: what a URL may carry there, no ':' or '@'. */
static bool is_url_credential(const char *text, size_t len) {
        for (size_t i = 0; i < len; i++) {
                unsigned char c = (unsigned char)text[i];

                if (c == '%') {
                        if (len - i < 3 || !isxdigit((unsigned char)text[i + 1]) ||
                            !isxdigit((unsigned char)text[i + 2]) ||
                            strncmp(text + i, "%00", 3) == 0)
                                return false;
                        i += 2;
                } else if (c >= 0x80 || !(isalnum(c) || strchr("-._~!$&'()*+,;=", c))) {
                        return false;
                }
        }
        return true;
}

/* ":port", 1 to 65535 without a leading zero. */
static bool is_port_suffix(const char *text) {
        size_t digits = strspn(text + (*text == ':'), "0123456789");

        return *text == ':' && digits >= 1 && digits <= 5 && text[1 + digits] == '\0' &&
               text[1] != '0' && strtol(text + 1, NULL, 10) <= 65535;
}

bool text_is_proxy(const char *text) {
        static const char alnum[] =
                "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
        const char *host, *at, *colon;
        size_t n;

        if (!text_is_graph(text, URL_MAX_LEN) || strncmp(text, "http://", 7) != 0)
                return false;
        host = text + 7;
        at = strchr(host, '@');
        if (at) {
                colon = memchr(host, ':', (size_t)(at - host));
                if (!colon || colon == host || !is_url_credential(host, (size_t)(colon - host)) ||
                    !is_url_credential(colon + 1, (size_t)(at - colon - 1)))
                        return false;
                host = at + 1;
        }
        if (*host == '[') {
                n = strspn(host + 1, "0123456789abcdefABCDEF:.");
                return n >= 2 && host[1 + n] == ']' && is_port_suffix(host + n + 2);
        }
        n = strcspn(host, ":");
        if (n < 1 || n > HOST_LEN_MAX || !strchr(alnum, host[0]))
                return false;
        for (size_t i = 0; i < n; i++)
                if (!strchr(alnum, host[i]) && !strchr("._-", host[i]))
                        return false;
        return is_port_suffix(host + n);
}

bool text_is_region(const char *text) {
        size_t n = strnlen(text, 33);

        return n >= 1 && n <= 32 && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}
