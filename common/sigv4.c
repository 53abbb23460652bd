#include "common/sigv4.h"
#include "common/encode.h"
#include "common/secret.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>
#include <strings.h>

#define SHA256_LEN     32
#define HEX_LEN        (2 * SHA256_LEN + 1)
#define QUERY_PAIR_MAX 32
#define TIME_LEN       17 /* "20261122T000000Z" and NUL */
#define DATE_LEN       8  /* the first part of it */

static const char algorithm[] = "AWS4-HMAC-SHA256";

static int hex_sha256(const void *bytes, size_t len, char out[HEX_LEN]) {
        unsigned char digest[SHA256_LEN];

        if (EVP_Digest(bytes, len, digest, NULL, EVP_sha256(), NULL) != 1)
                return -EIO;
        encode_hex(digest, sizeof(digest), out);
        return 0;
}

/* Percent-encodes all of @text but the unreserved characters and those in @keep. */
static int put_encoded(struct buf *b, const char *text, size_t len, const char *keep) {
        for (size_t i = 0; i < len; i++) {
                char one[2] = {text[i], '\0'};
                int r;

                r = strchr(keep, text[i]) ? buf_put(b, one, 1) : encode_uri(b, one);
                if (r < 0)
                        return r;
        }
        return 0;
}

struct query_pair { /* offsets into the buffer of encoded names and values, each NUL-terminated */
        size_t name, value;
};

static int compare_pairs(const char *texts, const struct query_pair *x,
                         const struct query_pair *y) {
        int c = strcmp(texts + x->name, texts + y->name);

        return c != 0 ? c : strcmp(texts + x->value, texts + y->value);
}

/* Splits "a=b&c" into encoded names and values. Returns their number or a negative errno. */
static int split_query(const char *query, struct buf *texts, struct query_pair *pairs) {
        int n = 0, r;

        for (const char *p = query; *p; p += *p == '&') {
                size_t len = strcspn(p, "&"), name_len = strcspn(p, "=&");
                const char *value = p + name_len + (name_len < len);

                if (n == QUERY_PAIR_MAX)
                        return -EINVAL;
                pairs[n].name = texts->len;
                if ((r = put_encoded(texts, p, name_len, "%")) < 0 ||
                    (r = buf_put(texts, "", 1)) < 0)
                        return r;
                pairs[n].value = texts->len;
                if ((r = put_encoded(texts, value, (size_t)(p + len - value), "%")) < 0 ||
                    (r = buf_put(texts, "", 1)) < 0)
                        return r;
                n++;
                p += len;
        }
        return n;
}

static int put_query(struct buf *b, const char *query) {
        _cleanup_(buf_clear) struct buf texts = BUF_INIT(b->max);
        struct query_pair pairs[QUERY_PAIR_MAX];
        int n, r;

        n = split_query(query, &texts, pairs);
        if (n < 0)
                return n;
        for (int i = 1; i < n; i++) {
                struct query_pair moving = pairs[i];
                int at = i;

                for (; at > 0 && compare_pairs(texts.data, &pairs[at - 1], &moving) > 0; at--)
                        pairs[at] = pairs[at - 1];
                pairs[at] = moving;
        }
        for (int i = 0; i < n; i++) {
                r = buf_printf(b, "%s%s=%s", i > 0 ? "&" : "", texts.data + pairs[i].name,
                               texts.data + pairs[i].value);
                if (r < 0)
                        return r;
        }
        return 0;
}

struct sorted_headers {
        const struct sigv4_header *at[SIGV4_HEADERS_MAX];
        size_t n;
};

/* By name in lower case; headers of one name keep their order. */
static int sort_headers(const struct sigv4_request *request, struct sorted_headers *ret) {
        if (request->n_headers > SIGV4_HEADERS_MAX)
                return -EINVAL;
        for (size_t i = 0; i < request->n_headers; i++) {
                const struct sigv4_header *h = &request->headers[i];
                size_t at = i;

                for (; at > 0 && strcasecmp(ret->at[at - 1]->name, h->name) > 0; at--)
                        ret->at[at] = ret->at[at - 1];
                ret->at[at] = h;
        }
        ret->n = request->n_headers;
        return 0;
}

static bool repeats_name(const struct sorted_headers *s, size_t i) {
        return i > 0 && strcasecmp(s->at[i - 1]->name, s->at[i]->name) == 0;
}

static int put_lower(struct buf *b, const char *text) {
        for (const char *p = text; *p; p++) {
                char c = (char)tolower((unsigned char)*p);
                int r = buf_put(b, &c, 1);

                if (r < 0)
                        return r;
        }
        return 0;
}

/* @value without space at its ends, and with each run of space inside as one blank. */
static int put_trimmed(struct buf *b, const char *value) {
        static const char space[] = " \t\r\n";
        int r;

        for (const char *p = value + strspn(value, space); *p;) {
                size_t word_len = strcspn(p, space);
                const char *next = p + word_len + strspn(p + word_len, space);

                if ((r = buf_put(b, p, word_len)) < 0 || (*next && (r = buf_put(b, " ", 1)) < 0))
                        return r;
                p = next;
        }
        return 0;
}

static int put_headers(struct buf *b, const struct sorted_headers *s) {
        int r;

        for (size_t i = 0; i < s->n; i++) {
                if (repeats_name(s, i)) {
                        r = buf_puts(b, ",");
                } else {
                        if (i > 0 && (r = buf_puts(b, "\n")) < 0)
                                return r;
                        r = put_lower(b, s->at[i]->name);
                        if (r >= 0)
                                r = buf_puts(b, ":");
                }
                if (r < 0 || (r = put_trimmed(b, s->at[i]->value)) < 0)
                        return r;
        }
        return buf_puts(b, "\n");
}

static int put_signed_names(struct buf *b, const struct sorted_headers *s) {
        int r;

        for (size_t i = 0; i < s->n; i++) {
                if (repeats_name(s, i))
                        continue;
                if ((i > 0 && (r = buf_puts(b, ";")) < 0) || (r = put_lower(b, s->at[i]->name)) < 0)
                        return r;
        }
        return 0;
}

int sigv4_canonical_request(const struct sigv4_request *request, struct buf *ret) {
        struct sorted_headers sorted = {0};
        char body_hash[HEX_LEN];
        int r;

        if ((r = sort_headers(request, &sorted)) < 0 ||
            (r = hex_sha256(request->body, request->body_len, body_hash)) < 0 ||
            (r = buf_printf(ret, "%s\n", request->method)) < 0 ||
            (r = put_encoded(ret, request->path, strlen(request->path), "/")) < 0 ||
            (r = buf_puts(ret, "\n")) < 0 || (r = put_query(ret, request->query)) < 0 ||
            (r = buf_puts(ret, "\n")) < 0 || (r = put_headers(ret, &sorted)) < 0 ||
            (r = buf_puts(ret, "\n")) < 0 || (r = put_signed_names(ret, &sorted)) < 0 ||
            (r = buf_printf(ret, "\n%s", body_hash)) < 0)
                return r;
        return 0;
}

/* "20261122/us-east-1/sts/aws4_request" */
static int put_scope(struct buf *b, const char *time, const char *region, const char *service) {
        return buf_printf(b, "%.*s/%s/%s/aws4_request", DATE_LEN, time, region, service);
}

int sigv4_string_to_sign(const char *canonical_request, int64_t wall_sec, const char *region,
                         const char *service, struct buf *ret) {
        char hash[HEX_LEN], time[TIME_LEN];
        int r;

        encode_time_basic(wall_sec, time);
        if ((r = hex_sha256(canonical_request, strlen(canonical_request), hash)) < 0 ||
            (r = buf_printf(ret, "%s\n%s\n", algorithm, time)) < 0 ||
            (r = put_scope(ret, time, region, service)) < 0 ||
            (r = buf_printf(ret, "\n%s", hash)) < 0)
                return r;
        return 0;
}

static int hmac(const char *key, size_t key_len, const char *text, size_t len, char *out) {
        unsigned n = SHA256_LEN;

        if (!HMAC(EVP_sha256(), key, (int)key_len, (const unsigned char *)text, len,
                  (unsigned char *)out, &n))
                return -EIO;
        return 0;
}

/* The signing key: HMAC over date, region, service and a fixed word, each keyed by the one before. */
static int derive_key(const struct secret *secret_key, const char *time, const char *region,
                      const char *service, struct secret **ret) {
        _cleanup_(secret_freep) struct secret *first = NULL, *a = NULL, *b = NULL;
        size_t len = secret_len(secret_key);
        int r;

        if ((r = secret_new(4 + len, &first)) < 0 || (r = secret_new(SHA256_LEN, &a)) < 0 ||
            (r = secret_new(SHA256_LEN, &b)) < 0)
                return r;
        memcpy(secret_reveal(first), "AWS4", 4);
        memcpy(secret_reveal(first) + 4, secret_reveal(secret_key), len);

        if ((r = hmac(secret_reveal(first), 4 + len, time, DATE_LEN, secret_reveal(a))) < 0 ||
            (r = hmac(secret_reveal(a), SHA256_LEN, region, strlen(region), secret_reveal(b))) <
                    0 ||
            (r = hmac(secret_reveal(b), SHA256_LEN, service, strlen(service), secret_reveal(a))) <
                    0 ||
            (r = hmac(secret_reveal(a), SHA256_LEN, "aws4_request", 12, secret_reveal(b))) < 0)
                return r;
        *ret = TAKE_PTR(b);
        return 0;
}

static int sign(const struct sigv4_key *key, const struct buf *to_sign, const char *time,
                const char *region, const char *service, char ret_hex[HEX_LEN]) {
        _cleanup_(secret_freep) struct secret *signing_key = NULL;
        char mac[SHA256_LEN];
        int r;

        r = derive_key(key->secret_key, time, region, service, &signing_key);
        if (r < 0)
                return r;
        r = hmac(secret_reveal(signing_key), SHA256_LEN, to_sign->data, to_sign->len, mac);
        if (r < 0)
                return r;
        encode_hex(mac, sizeof(mac), ret_hex);
        return 0;
}

int sigv4_authorization(const struct sigv4_request *request, const struct sigv4_key *key,
                        int64_t wall_sec, const char *region, const char *service,
                        struct buf *ret) {
        _cleanup_(buf_clear) struct buf canonical = BUF_INIT(ret->max + request->body_len);
        _cleanup_(buf_clear) struct buf to_sign = BUF_INIT(ret->max);
        struct sorted_headers sorted = {0};
        char time[TIME_LEN], signature[HEX_LEN];
        int r;

        encode_time_basic(wall_sec, time);
        if ((r = sort_headers(request, &sorted)) < 0 ||
            (r = sigv4_canonical_request(request, &canonical)) < 0 ||
            (r = sigv4_string_to_sign(canonical.data, wall_sec, region, service, &to_sign)) < 0)
                return r;
        r = sign(key, &to_sign, time, region, service, signature);
        secret_burn_stack(); /* libcrypto's frames have seen the key */
        if (r < 0)
                return r;

        if ((r = buf_printf(ret, "%s Credential=%s/", algorithm, key->access_key_id)) < 0 ||
            (r = put_scope(ret, time, region, service)) < 0 ||
            (r = buf_puts(ret, ", SignedHeaders=")) < 0 ||
            (r = put_signed_names(ret, &sorted)) < 0 ||
            (r = buf_printf(ret, ", Signature=%s", signature)) < 0)
                return r;
        return 0;
}
