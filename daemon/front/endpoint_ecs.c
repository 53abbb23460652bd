#include "daemon/front/endpoint_ecs.h"
#include "common/buf.h"
#include "common/secret.h"
#include "daemon/front/lease.h"

#include <string.h>

#define OPENING    "{\n"
#define NAME_FIRST "  \""
#define NAME_VALUE "\" : \""
#define VALUE_NEXT "\",\n"
#define VALUE_LAST "\"\n"
#define CLOSING    "}"
#define FIELDS_MAX 9

struct field {
        const char *name;
        const char *value;
};

static bool value_is_plain(const char *value) {
        for (const char *p = value; *p; p++)
                if (*p < 0x20 || *p >= 0x7f || *p == '"' || *p == '\\')
                        return false;
        return true;
}

/* One field per line, as the real metadata service writes it: shell scripts read it with grep.
 * Written by hand and not by printf or jansson: these bytes must exist once, in secret memory. */
static void fields_write(const struct field *fields, size_t n, char *p) {
        p = stpcpy(p, OPENING);
        for (size_t i = 0; i < n; i++) {
                p = stpcpy(p, NAME_FIRST);
                p = stpcpy(p, fields[i].name);
                p = stpcpy(p, NAME_VALUE);
                p = stpcpy(p, fields[i].value);
                p = stpcpy(p, i + 1 < n ? VALUE_NEXT : VALUE_LAST);
        }
        (void)stpcpy(p, CLOSING); /* the caller knows the length */
}

static int fields_len(const struct field *fields, size_t n, size_t *ret) {
        size_t len = strlen(OPENING) + strlen(CLOSING);

        for (size_t i = 0; i < n; i++) {
                if (!value_is_plain(fields[i].value))
                        return -EBADMSG;
                len += strlen(NAME_FIRST) + strlen(fields[i].name) + strlen(NAME_VALUE) +
                       strlen(fields[i].value) + strlen(i + 1 < n ? VALUE_NEXT : VALUE_LAST);
        }
        if (len > ECS_BODY_MAX)
                return -E2BIG;
        *ret = len;
        return 0;
}

int endpoint_ecs_creds(const struct lease *l, struct secret **ret) {
        const struct creds *creds = l->creds;
        char expires[21], updated[21];
        struct field fields[FIELDS_MAX];
        struct secret *body;
        size_t n = 0, len;
        int r;

        assert(creds && creds->secret_key && creds->session_token);
        assert(ret);

        encode_time_iso(lease_expires_wall_sec(l), expires);
        encode_time_iso(l->bought_wall_sec, updated);
        fields[n++] = (struct field){"Code", "Success"};
        fields[n++] = (struct field){"LastUpdated", updated};
        fields[n++] = (struct field){"Type", "AWS-HMAC"};
        fields[n++] = (struct field){"AccessKeyId", creds->access_key_id};
        fields[n++] = (struct field){"SecretAccessKey", secret_reveal(creds->secret_key)};
        fields[n++] = (struct field){"Token", secret_reveal(creds->session_token)};
        fields[n++] = (struct field){"Expiration", expires};
        if (*l->account)
                fields[n++] = (struct field){"AccountId", l->account};
        if (l->role_arn)
                fields[n++] = (struct field){"RoleArn", l->role_arn};
        r = fields_len(fields, n, &len);
        if (r < 0)
                return r;
        r = secret_new(len, &body);
        if (r < 0)
                return r;
        fields_write(fields, n, secret_reveal(body));
        *ret = body;
        return 0;
}

/* Plain ASCII without a need for \u: some SDKs compare Code unescaped, terminals show the rest. */
static int put_escaped(struct buf *b, const char *text) {
        for (const char *p = text; *p; p++) {
                char c = *p < 0x20 || *p >= 0x7f ? '?' : *p;
                int r = 0;

                if (c == '"' || c == '\\')
                        r = buf_put(b, "\\", 1);
                if (r == 0)
                        r = buf_put(b, &c, 1);
                if (r < 0)
                        return r;
        }
        return 0;
}

int endpoint_ecs_error(const char *code, const char *message, struct buf *ret) {
        const char *const parts[] = {
                "{\"message\":\"mfad: ",
                message,
                "\",\"code\":\"",
                code,
                "\",\"Message\":\"mfad: ",
                message,
                "\",\"Code\":\"",
                code,
                "\"}",
        };

        assert(ret);

        for (size_t i = 0; i < ELEMENTSOF(parts); i++) {
                int r = i % 2 == 0 ? buf_puts(ret, parts[i]) : put_escaped(ret, parts[i]);

                if (r < 0)
                        return r;
        }
        return 0;
}
