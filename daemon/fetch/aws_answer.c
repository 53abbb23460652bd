#include "daemon/fetch/aws_answer.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/creds.h"
#include "common/fetch_proto.h"
#include "common/secret.h"
#include "common/wiping.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <expat.h>

#define PATH_MAX_LEN    256
#define TIME_TEXT_MAX   40        /* "2026-11-22T00:00:00.123456789Z" and some */
#define CLOCK_SLACK_SEC (15 * 60) /* as far as AWS lets a signature's date be off */

enum occurrence {
        ONCE,
        AT_MOST_ONCE,
        ANY_NUMBER
};

/* A field that is wanted: the end of its path, and the longest that it may be. What is around differs
 * among STS-compatible services, and means nothing: the answer is one to what was asked. */
struct field {
        const char *path; /* the last local names, from the outside to the field's own */
        size_t max;
        enum occurrence occurrence;
};

enum {
        CREDS_KEY_ID,
        CREDS_SECRET_KEY,
        CREDS_TOKEN,
        CREDS_EXPIRATION,
        CREDS_ROLE_ARN, /* AssumeRole only; MinIO leaves it empty */
        FIELDS_MAX,
};

static const struct field creds_fields[FIELDS_MAX] = {
        [CREDS_KEY_ID] = {"Credentials/AccessKeyId", ACCESS_KEY_ID_MAX, ONCE},
        [CREDS_SECRET_KEY] = {"Credentials/SecretAccessKey", SECRET_KEY_MAX, ONCE},
        [CREDS_TOKEN] = {"Credentials/SessionToken", SESSION_TOKEN_MAX, ONCE},
        [CREDS_EXPIRATION] = {"Credentials/Expiration", TIME_TEXT_MAX, ONCE},
        [CREDS_ROLE_ARN] = {"AssumedRoleUser/Arn", USER_ARN_MAX, AT_MOST_ONCE},
};

enum {
        IDENTITY_ARN,
        IDENTITY_ACCOUNT,
};
static const struct field identity_fields[] = {
        [IDENTITY_ARN] = {"GetCallerIdentityResult/Arn", USER_ARN_MAX, ONCE},
        [IDENTITY_ACCOUNT] = {"GetCallerIdentityResult/Account", 32, ONCE},
};

/* A user without a device has no SerialNumber, but the list says whether it is whole. */
static const struct field device_fields[] = {
        {"ListMFADevicesResult/IsTruncated", 5, ONCE},
        {"MFADevices/member/SerialNumber", MFA_SERIAL_MAX, ANY_NUMBER},
};

/* Around Error are ErrorResponse, or Response and Errors, or nothing (S3's form, which MinIO and Ceph
 * use for what fails before their STS looks at it). */
enum {
        ERROR_CODE,
        ERROR_MESSAGE,
};
static const struct field error_fields[] = {
        [ERROR_CODE] = {"Error/Code", AWS_ANSWER_TEXT_MAX, ONCE},
        [ERROR_MESSAGE] = {"Error/Message", AWS_ANSWER_TEXT_MAX, AT_MOST_ONCE},
};

struct reading {
        XML_Parser parser;
        const struct field *fields;
        size_t n_fields;
        struct fetch_answer *answer; /* where repeated fields go */
        struct buf texts[FIELDS_MAX];
        bool has[FIELDS_MAX];
        char path[PATH_MAX_LEN]; /* "A/B/C": the element that is open */
        unsigned depth, n_credentials;
        size_t text_len;    /* in the element that is open */
        int field;          /* that the element is, or -1 */
        const char *fault;  /* what the answer has that it may not have, or NULL */
        const char *broken; /* why it is no XML, or NULL */
        int error;          /* -ENOMEM, or 0 */
};

static void stop(struct reading *g, const char *fault) {
        if (!g->fault)
                g->fault = fault;
        (void)XML_StopParser(g->parser, XML_FALSE); /* fails only when it is stopped already */
}

static bool path_matches(const char *path, const char *wanted) {
        size_t n = strlen(path), m = strlen(wanted);

        return n >= m && strcmp(path + n - m, wanted) == 0 && (n == m || path[n - m - 1] == '/');
}

static int find_field(const struct reading *g) {
        for (size_t i = 0; i < g->n_fields; i++)
                if (path_matches(g->path, g->fields[i].path))
                        return (int)i;
        return -1;
}

/* STS-compatible services leave the namespace out, or give it a prefix. */
static const char *local_name(const char *name) {
        const char *colon = strrchr(name, ':');

        return colon ? colon + 1 : name;
}

static void XMLCALL on_start(void *userdata, const XML_Char *name,
                             const XML_Char **attributes _unused_) {
        struct reading *g = userdata;
        size_t n = strlen(g->path);
        int k;

        if (g->fault)
                return;
        if (g->field >= 0)
                return stop(g, "an element inside a field");
        if (++g->depth > AWS_ANSWER_DEPTH_MAX)
                return stop(g, "too many elements inside each other");
        k = snprintf(g->path + n, sizeof(g->path) - n, "%s%s", n > 0 ? "/" : "", local_name(name));
        if (k < 0 || (size_t)k >= sizeof(g->path) - n)
                return stop(g, "element names that are too long");
        if (strcmp(local_name(name), "Credentials") == 0 && g->n_credentials++ > 0)
                return stop(g, "two sets of credentials"); /* one may not complete the other */
        g->text_len = 0;
        g->field = find_field(g);
        if (g->field < 0)
                return;
        if (g->has[g->field] && g->fields[g->field].occurrence != ANY_NUMBER)
                return stop(g, "the same field twice");
        g->has[g->field] = true;
        buf_clear(&g->texts[g->field]);
        g->texts[g->field] = BUF_INIT(g->fields[g->field].max);
}

static void XMLCALL on_text(void *userdata, const XML_Char *text, int len) {
        struct reading *g = userdata;
        int r;

        if (g->fault)
                return;
        g->text_len += (size_t)len;
        if (g->text_len > AWS_ANSWER_TEXT_MAX)
                return stop(g, "too much text in one element");
        if (g->field < 0)
                return;
        r = buf_put(&g->texts[g->field], text, (size_t)len);
        if (r == -ENOMEM)
                g->error = r;
        if (r < 0)
                stop(g, "a field that is too long");
}

static void keep_serial(struct reading *g, const struct buf *serial) {
        struct fetch_answer *a = g->answer;

        if (!text_is_mfa_serial(buf_text(serial)))
                return stop(g, "an illegal SerialNumber");
        if (a->n_mfa_serials < FETCH_MFA_DEVICES_MAX)
                memcpy(a->mfa_serials[a->n_mfa_serials++], serial->data, serial->len + 1);
}

static void XMLCALL on_end(void *userdata, const XML_Char *name _unused_) {
        struct reading *g = userdata;
        char *slash;

        if (g->fault)
                return;
        if (g->field >= 0 && g->fields[g->field].occurrence == ANY_NUMBER)
                keep_serial(g, &g->texts[g->field]);
        g->field = -1;
        g->text_len = 0;
        g->depth--;
        slash = strrchr(g->path, '/');
        *(slash ? slash : g->path) = '\0';
}

/* No answer of AWS has a DOCTYPE; entities are what XML attacks are made of. */
static void XMLCALL on_doctype(void *userdata, const XML_Char *name _unused_,
                               const XML_Char *sysid _unused_, const XML_Char *pubid _unused_,
                               int has_internal _unused_) {
        stop(userdata, "a DOCTYPE");
}

static int parse(struct reading *g, const void *xml, size_t len) {
        static const XML_Memory_Handling_Suite wiping = {wiping_malloc, wiping_realloc,
                                                         wiping_free};

        assert(len <= INT32_MAX);

        g->field = -1;
        g->parser = XML_ParserCreate_MM("UTF-8", &wiping, NULL);
        if (!g->parser)
                return -ENOMEM;
        XML_SetUserData(g->parser, g);
        XML_SetElementHandler(g->parser, on_start, on_end);
        XML_SetCharacterDataHandler(g->parser, on_text);
        XML_SetStartDoctypeDeclHandler(g->parser, on_doctype);
        if (XML_Parse(g->parser, xml, (int)len, /* isFinal= */ 1) != XML_STATUS_OK) {
                if (XML_GetErrorCode(g->parser) == XML_ERROR_NO_MEMORY)
                        g->error = -ENOMEM;
                if (!g->fault)
                        g->broken = XML_ErrorString(XML_GetErrorCode(g->parser));
        }
        XML_ParserFree(g->parser);
        g->parser = NULL;
        return g->error;
}

static void reading_clear(struct reading *g) {
        for (size_t i = 0; i < FIELDS_MAX; i++)
                buf_clear(&g->texts[i]);
}

/* The alphabet of secret keys and tokens: base64, and base64url with dots (a JWT) where a service
 * other than AWS made them. None of it means anything to JSON, a shell or a header. */
static bool is_token(const struct buf *b) {
        const char *text = buf_text(b);

        return b->len > 0 && strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                          "0123456789+/=._-") == b->len;
}

/* Returns NULL, or what is wrong. */
static const char *check_expiration(const struct reading *g, int64_t *ret_sec) {
        int64_t now = g->answer->date_sec > 0 ? g->answer->date_sec : clock_wall_sec();
        const struct buf *text = &g->texts[CREDS_EXPIRATION];
        char stamp[TIME_TEXT_MAX + 1];
        size_t n = text->len;
        int64_t sec;

        memcpy(stamp, buf_text(text), n + 1);
        /* what Python, among others, makes of a time in UTC */
        if (n > strlen("+00:00") && strcmp(stamp + n - strlen("+00:00"), "+00:00") == 0)
                strcpy(stamp + n - strlen("+00:00"), "Z");
        if (decode_time_iso(stamp, &sec) < 0)
                return "an illegal Expiration";
        if (sec <= now)
                return "an Expiration that has passed";
        if (sec > now + AWS_DURATION_SEC_MAX + CLOCK_SLACK_SEC)
                return "an Expiration that is too far ahead";
        *ret_sec = sec;
        return NULL;
}

/* Text that may stand in a header or in JSON as it is. */
static bool is_plain(const struct buf *b) {
        return text_is_graph(buf_text(b), b->len) && !strpbrk(buf_text(b), "\"'\\");
}

static int take_creds(struct reading *g) {
        _cleanup_(creds_freep) struct creds *c = NULL;
        const struct buf *key_id = &g->texts[CREDS_KEY_ID];
        const struct buf *secret = &g->texts[CREDS_SECRET_KEY], *token = &g->texts[CREDS_TOKEN];
        const struct buf *role_arn = &g->texts[CREDS_ROLE_ARN];
        int64_t expiration = 0;
        int r;

        if (!text_is_access_key_id(buf_text(key_id)))
                g->fault = "an illegal AccessKeyId";
        else if (!is_token(secret))
                g->fault = "an illegal SecretAccessKey";
        else if (!is_token(token))
                g->fault = "an illegal SessionToken";
        else if (role_arn->len > 0 && !is_plain(role_arn))
                g->fault = "an illegal Arn";
        else
                g->fault = check_expiration(g, &expiration);
        if (g->fault)
                return 0;

        if ((r = creds_new(&c)) < 0 ||
            (r = secret_copy(secret->data, secret->len, &c->secret_key)) < 0 ||
            (r = secret_copy(token->data, token->len, &c->session_token)) < 0)
                return r;
        memcpy(c->access_key_id, key_id->data, key_id->len + 1);
        memcpy(g->answer->user_arn, buf_text(role_arn), role_arn->len + 1);
        c->expiration_sec = expiration;
        g->answer->creds = TAKE_PTR(c);
        return 0;
}

static int take_identity(struct reading *g) {
        const struct buf *arn = &g->texts[IDENTITY_ARN], *account = &g->texts[IDENTITY_ACCOUNT];

        if (!is_plain(arn))
                g->fault = "an illegal Arn";
        else if (!is_plain(account))
                g->fault = "an illegal Account";
        if (g->fault)
                return 0;
        memcpy(g->answer->user_arn, arn->data, arn->len + 1);
        memcpy(g->answer->account, account->data, account->len + 1);
        return 0;
}

/* Returns the name of a field that must be there and is not, or NULL. */
static const char *missing_field(const struct reading *g) {
        for (size_t i = 0; i < g->n_fields; i++)
                if (!g->has[i] && g->fields[i].occurrence == ONCE)
                        return strrchr(g->fields[i].path, '/') + 1;
        return NULL;
}

static struct reading reading_of(enum aws_op op, struct fetch_answer *a) {
        switch (op) {
        case AWS_OP_GET_SESSION_TOKEN:
                return (struct reading){
                        .answer = a, .fields = creds_fields, .n_fields = CREDS_ROLE_ARN};
        case AWS_OP_ASSUME_ROLE:
                return (struct reading){
                        .answer = a, .fields = creds_fields, .n_fields = ELEMENTSOF(creds_fields)};
        case AWS_OP_LIST_MFA_DEVICES:
                return (struct reading){.answer = a,
                                        .fields = device_fields,
                                        .n_fields = ELEMENTSOF(device_fields)};
        case AWS_OP_GET_CALLER_IDENTITY:
                return (struct reading){.answer = a,
                                        .fields = identity_fields,
                                        .n_fields = ELEMENTSOF(identity_fields)};
        case AWS_OP_GET_SIGNIN_TOKEN: /* has no XML */
        case _AWS_OP_MAX: break;
        }
        abort(); /* fetch_request_decode() lets no other number through */
}

static int take(enum aws_op op, struct reading *g) {
        switch (op) {
        case AWS_OP_GET_SESSION_TOKEN:
        case AWS_OP_ASSUME_ROLE: return take_creds(g);
        case AWS_OP_LIST_MFA_DEVICES: return 0; /* on_end() kept the serials */
        case AWS_OP_GET_CALLER_IDENTITY: return take_identity(g);
        case AWS_OP_GET_SIGNIN_TOKEN:
        case _AWS_OP_MAX: break;
        }
        abort();
}

int aws_answer_read(enum aws_op op, const void *xml, size_t len, struct fetch_answer *a) {
        _cleanup_(reading_clear) struct reading g = reading_of(op, a);
        const char *missing = NULL;
        int r;

        a->outcome = FETCH_OK;
        r = parse(&g, xml, len);
        if (r < 0)
                return r;
        if (!g.fault && !g.broken)
                missing = missing_field(&g);
        if (!g.fault && !g.broken && !missing) {
                r = take(op, &g);
                if (r < 0)
                        return r;
        }
        if (g.broken)
                (void)snprintf(a->text, sizeof(a->text), "the answer is not XML: %s", g.broken);
        else if (missing)
                (void)snprintf(a->text, sizeof(a->text), "the answer has no %s", missing);
        else if (g.fault)
                (void)snprintf(a->text, sizeof(a->text), "the answer has %s", g.fault);
        else
                return 0;
        a->outcome = FETCH_BAD_ANSWER;
        a->n_mfa_serials = 0; /* half a list is none */
        return 0;
}

void aws_answer_make_printable(const char *text, char *out, size_t size) {
        size_t n = 0;

        assert(size > 0);

        for (const unsigned char *p = (const unsigned char *)text; *p && n + 1 < size; p++) {
                bool is_space = *p == ' ' || (*p >= '\t' && *p <= '\r');

                if (is_space && (n == 0 || out[n - 1] == ' '))
                        continue;
                if ((*p & 0xc0) == 0x80)
                        continue; /* one "?" for each character beyond ASCII */
                out[n++] = is_space ? ' ' : *p > 0x20 && *p < 0x7f ? (char)*p : '?';
        }
        if (n > 0 && out[n - 1] == ' ')
                n--;
        out[n] = '\0';
}

int aws_answer_read_error(const void *xml, size_t len, struct fetch_answer *a) {
        _cleanup_(reading_clear) struct reading g = {
                .answer = a, .fields = error_fields, .n_fields = ELEMENTSOF(error_fields)};
        const struct buf *code = &g.texts[ERROR_CODE];
        int r;

        a->outcome = FETCH_AWS_ERROR;
        r = parse(&g, xml, len);
        if (r < 0)
                return r;
        if (g.fault || g.broken || code->len >= sizeof(a->aws_code) || !is_plain(code)) {
                (void)snprintf(a->text, sizeof(a->text), "HTTP status %u without a reason from AWS",
                               (unsigned)a->http_status);
                return 0;
        }
        memcpy(a->aws_code, code->data, code->len + 1);
        aws_answer_make_printable(buf_text(&g.texts[ERROR_MESSAGE]), a->text, sizeof(a->text));
        return 0;
}
