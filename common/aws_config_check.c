#include "common/aws_config_check.h"
#include "common/aws_config_limits.h"
#include "common/aws_endpoint.h"
#include "common/aws_request.h"
#include "common/encode.h"
#include "common/macros.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* STS API reference, Tag; in characters, not bytes */
#define TAG_KEY_MAX   128
#define TAG_VALUE_MAX 256

#define DIGITS_OF(number) #number
#define TEXT_OF(number)   DIGITS_OF(number)

const char *aws_config_check_region(char *text) {
        return text_is_region(text) ? NULL : "is no region";
}

const char *aws_config_check_mfa_serial(char *text) {
        return text_is_mfa_serial(text) ? NULL : "is not the ARN or serial number of an MFA device";
}

const char *aws_config_check_url(char *text) {
        char host[URL_MAX_LEN + 1];

        if (strlen(text) <= URL_MAX_LEN && aws_endpoint_check(text, host, sizeof(host)) >= 0)
                return NULL;
        return "is not https://HOST[:PORT], or http:// with this machine's own address";
}

const char *aws_config_check_proxy(char *text) {
        return text_is_proxy(text) ? NULL : "is not http://[USER:PASSWORD@]HOST:PORT";
}

const char *aws_config_check_path(char *text) {
        if (strlen(text) >= PATH_LEN_MAX)
                return "is too long for a path";
        return text[0] == '/' && text_is_printable(text, PATH_LEN_MAX) ? NULL
                                                                       : "is no absolute path";
}

const char *aws_config_check_profile_name(char *text) {
        return text_is_printable(text, PROFILE_NAME_MAX) ? NULL : "is no profile's name";
}

const char *aws_config_check_role_arn(char *text) {
        return text_is_role_arn(text) ? NULL : "is no ARN";
}

const char *aws_config_check_session_name(char *text) {
        return text_is_role_session_name(text) ? NULL
                                               : "is not 2 to 64 letters, digits and _+=,.@-";
}

/* Letters and digits of ASCII, and those of @more. */
static bool is_word(char c, const char *more) {
        return isalnum((unsigned char)c) || (c != '\0' && strchr(more, c));
}

const char *aws_config_check_external_id(char *text) {
        size_t len = strlen(text);

        for (const char *p = text; *p; p++)
                if (!is_word(*p, "_+=,.@:/-"))
                        return "has other characters than letters, digits and _+=,.@:/-";
        return len >= 2 && len <= EXTERNAL_ID_MAX
                       ? NULL
                       : "is not 2 to " TEXT_OF(EXTERNAL_ID_MAX) " characters long";
}

/* The alphabet of Policy in the STS API reference, without DEL and C1 controls. */
static bool is_policy_text(const char *text) {
        const unsigned char *p = (const unsigned char *)text;

        while (*p) {
                uint32_t point = 0;
                size_t n = text_utf8_sequence(p, &point);

                if (n == 0 || point > 0xff || (point >= 0x7f && point < 0xa0) ||
                    (point < 0x20 && point != '\t' && point != '\n'))
                        return false;
                p += n;
        }
        return true;
}

const char *aws_config_check_policy(char *text) {
        size_t len = strlen(text);

        if (len > SESSION_POLICY_MAX)
                return "is longer than " TEXT_OF(SESSION_POLICY_MAX) " bytes";
        return len >= 2 && text[0] == '{' && text[len - 1] == '}' && is_policy_text(text)
                       ? NULL
                       : "is no JSON object";
}

/* Moves what stands between @from and @end to @out, without the blanks around it. Returns its end. */
static char *put_trimmed(char *out, const char *from, const char *end) {
        while (from < end && isspace((unsigned char)*from))
                from++;
        while (end > from && isspace((unsigned char)end[-1]))
                end--;
        memmove(out, from, (size_t)(end - from));
        return out + (end - from);
}

/* Takes the blanks off around the items of a list, and in @with_values around the first "=" of each. */
static void trim_items(char *text, bool with_values) {
        const char *p = text;
        char *out = text;

        for (;;) {
                const char *end = strchrnul(p, ',');
                const char *mark = with_values ? memchr(p, '=', (size_t)(end - p)) : NULL;
                bool is_last = *end == '\0';

                if (mark) {
                        out = put_trimmed(out, p, mark);
                        *out++ = '=';
                        p = mark + 1;
                }
                out = put_trimmed(out, p, end);
                if (is_last)
                        break;
                p = end + 1;
                *out++ = ','; /* at @end at the latest, which has been read */
        }
        *out = '\0';
}

/* Hands each item of a trimmed list to @fn as a text of its own. Returns what the first bad one gives. */
static const char *each_item(char *text, size_t max, const char *too_many,
                             const char *(*fn)(const char *item)) {
        size_t n = 0;

        for (char *p = text, *end;; p = end + 1) {
                const char *why;
                char mark;

                end = strchrnul(p, ',');
                mark = *end;
                *end = '\0';
                why = ++n > max ? too_many : fn(p);
                *end = mark;
                if (why || mark == '\0')
                        return why;
        }
}

static const char *check_policy_arn(const char *item) {
        return text_is_role_arn(item) ? NULL : "is no list of ARNs with commas in between";
}

const char *aws_config_check_policy_arns(char *text) {
        trim_items(text, false);
        if (strlen(text) > POLICY_ARNS_LEN_MAX)
                return "is longer than " TEXT_OF(POLICY_ARNS_LEN_MAX) " bytes";
        return each_item(text, POLICY_ARNS_MAX,
                         "names more than " TEXT_OF(POLICY_ARNS_MAX) " policies", check_policy_arn);
}

/* @len bytes of at most @max characters that a tag may have. Which letters beyond ASCII those are is for
 * AWS to say. */
static bool is_tag_text(const char *text, size_t len, size_t max) {
        char copy[4 * TAG_VALUE_MAX + 1];
        size_t n = 0;

        if (len >= sizeof(copy))
                return false;
        memcpy(copy, text, len);
        copy[len] = '\0';
        if (!text_is_printable(copy, len))
                return false;
        for (const char *p = copy; *p; p++) {
                if ((unsigned char)*p < 0x80 && !is_word(*p, " _.:/=+-@"))
                        return false;
                n += ((unsigned char)*p & 0xc0) != 0x80; /* where a character begins */
        }
        return n <= max;
}

static const char *check_tag_key(const char *item) {
        size_t len = strlen(item);

        return len > 0 && !strchr(item, '=') && is_tag_text(item, len, TAG_KEY_MAX)
                       ? NULL
                       : "is no list of tags' keys with commas in between";
}

static const char *check_tag(const char *item) {
        size_t key_len = strcspn(item, "=");
        const char *value = item + key_len;

        if (key_len == 0 || *value != '=' || !is_tag_text(item, key_len, TAG_KEY_MAX) ||
            !is_tag_text(value + 1, strlen(value + 1), TAG_VALUE_MAX))
                return "is no list of KEY=VALUE with commas in between, in letters, digits, "
                       "blanks and _.:/=+-@";
        return NULL;
}

/* The item of @list whose key is the @len bytes at @key, or NULL. */
static const char *find_key(const char *list, const char *key, size_t len,
                            int (*compare)(const char *, const char *, size_t)) {
        for (const char *p = list; *p; p += *p == ',') {
                if (strcspn(p, "=,") == len && compare(p, key, len) == 0)
                        return p;
                p = strchrnul(p, ',');
        }
        return NULL;
}

/* Each key is the first of its kind in the list. */
static bool has_each_once(const char *list) {
        for (const char *p = list; *p; p += *p == ',') {
                if (find_key(list, p, strcspn(p, "=,"), strncasecmp) != p)
                        return false;
                p = strchrnul(p, ',');
        }
        return true;
}

const char *aws_config_check_tags(char *text) {
        const char *why;

        trim_items(text, true);
        if (strlen(text) > SESSION_TAGS_LEN_MAX)
                return "is longer than " TEXT_OF(SESSION_TAGS_LEN_MAX) " bytes";
        why = each_item(text, SESSION_TAGS_MAX, "has more than " TEXT_OF(SESSION_TAGS_MAX) " tags",
                        check_tag);
        return why || has_each_once(text) ? why : "has a tag twice";
}

const char *aws_config_check_tag_keys(char *text) {
        const char *why;

        trim_items(text, false);
        if (strlen(text) > SESSION_TAGS_LEN_MAX)
                return "is longer than " TEXT_OF(SESSION_TAGS_LEN_MAX) " bytes";
        why = each_item(text, SESSION_TAGS_MAX, "has more than " TEXT_OF(SESSION_TAGS_MAX) " tags",
                        check_tag_key);
        return why || has_each_once(text) ? why : "has a tag twice";
}

bool aws_config_has_tags(const char *tags, const char *tag_keys) {
        for (const char *p = tag_keys; *p; p += *p == ',') {
                if (!find_key(tags, p, strcspn(p, ","), strncmp))
                        return false;
                p = strchrnul(p, ',');
        }
        return true;
}

const char *aws_config_check_duration(const char *text, uint32_t *ret_sec) {
        size_t digits = strspn(text, "0123456789");
        uint32_t sec;

        if (digits == 0 || digits > 9 || text[digits] != '\0')
                return "is no number";
        sec = (uint32_t)strtoul(text, NULL, 10);
        if (sec < AWS_DURATION_SEC_MIN || sec > AWS_ROLE_SEC_MAX)
                return "is not a number from " TEXT_OF(AWS_DURATION_SEC_MIN) " to " TEXT_OF(
                        AWS_ROLE_SEC_MAX);
        *ret_sec = sec;
        return NULL;
}

bool aws_config_is_true(const char *text) {
        return strcasecmp(text, "true") == 0;
}

const char *aws_config_check_bool(char *text) {
        return aws_config_is_true(text) || strcasecmp(text, "false") == 0
                       ? NULL
                       : "is neither true nor false";
}
