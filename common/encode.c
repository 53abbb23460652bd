#include "common/encode.h"
#include "common/buf.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

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

bool text_is_region(const char *text) {
        size_t n = strnlen(text, 33);

        return n >= 1 && n <= 32 && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}
