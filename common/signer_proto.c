#include "common/signer_proto.h"
#include "common/secret.h"
#include "common/wire.h"

#include <string.h>

/* Always of @len bytes, but spelled like all bytes are. */
static void get_exactly(struct wire_reader *r, uint8_t *out, size_t len) {
        size_t n;
        const void *at = wire_get_bytes(r, len, &n);

        if (n != len)
                r->failed = true;
        else
                memcpy(out, at, len);
}

static int put_call(struct buf *b, const struct aws_call *c) {
        int r;

        if ((r = wire_put_u8(b, (uint8_t)c->op)) < 0 || (r = wire_put_text(b, c->region)) < 0 ||
            (r = wire_put_text(b, c->endpoint)) < 0 || (r = wire_put_text(b, c->mfa_serial)) < 0 ||
            (r = wire_put_text(b, c->mfa_code)) < 0 || (r = wire_put_u32(b, c->duration_sec)) < 0 ||
            (r = wire_put_u64(b, (uint64_t)c->wall_sec)) < 0)
                return r;
        if (c->op != AWS_OP_ASSUME_ROLE)
                return 0;
        assert(c->role);
        return aws_role_put(c->role, b);
}

/* @role: taken by AssumeRole alone, and then @c points to it. */
static void get_call(struct wire_reader *r, struct aws_call *c, struct aws_role *role) {
        uint8_t op = wire_get_u8(r);

        if (op == 0 || op >= _AWS_OP_MAX)
                r->failed = true;
        c->op = (enum aws_op)op;
        wire_get_text(r, c->region, sizeof(c->region));
        wire_get_text(r, c->endpoint, sizeof(c->endpoint));
        wire_get_text(r, c->mfa_serial, sizeof(c->mfa_serial));
        wire_get_text(r, c->mfa_code, sizeof(c->mfa_code));
        c->duration_sec = wire_get_u32(r);
        c->wall_sec = (int64_t)wire_get_u64(r);
        if (c->op == AWS_OP_ASSUME_ROLE) {
                aws_role_get(r, role);
                c->role = role;
        }
}

int signer_request_encode(const struct signer_request *q, struct buf *b) {
        int r;

        if ((r = wire_put_u8(b, (uint8_t)q->type)) < 0 || (r = wire_put_u32(b, q->id)) < 0)
                return r;
        switch (q->type) {
        case SIGNER_REQUEST_STATUS: return 0;
        case SIGNER_REQUEST_SIGN:
                r = wire_put_text(b, q->key);
                return r < 0 ? r : put_call(b, &q->call);
        case SIGNER_REQUEST_FORGET_CODE:
                if ((r = wire_put_text(b, q->key)) < 0 ||
                    (r = wire_put_text(b, q->call.mfa_serial)) < 0 ||
                    (r = wire_put_text(b, q->call.mfa_code)) < 0)
                        return r;
                return 0;
        case SIGNER_REQUEST_WRAP: return wire_put_bytes(b, q->blob_key, sizeof(q->blob_key));
        case SIGNER_REQUEST_UNWRAP: return wire_put_bytes(b, q->wrapped, sizeof(q->wrapped));
        }
        abort();
}

static void get_request(struct wire_reader *r, struct signer_request *q) {
        uint8_t type = wire_get_u8(r);

        q->id = wire_get_u32(r);
        if (q->id == 0 || type < SIGNER_REQUEST_STATUS || type > SIGNER_REQUEST_UNWRAP) {
                r->failed = true;
                return;
        }
        q->type = (enum signer_request_type)type;
        switch (q->type) {
        case SIGNER_REQUEST_STATUS: return;
        case SIGNER_REQUEST_SIGN:
                wire_get_text(r, q->key, sizeof(q->key));
                get_call(r, &q->call, &q->role);
                return;
        case SIGNER_REQUEST_FORGET_CODE:
                wire_get_text(r, q->key, sizeof(q->key));
                wire_get_text(r, q->call.mfa_serial, sizeof(q->call.mfa_serial));
                wire_get_text(r, q->call.mfa_code, sizeof(q->call.mfa_code));
                return;
        case SIGNER_REQUEST_WRAP: get_exactly(r, q->blob_key, sizeof(q->blob_key)); return;
        case SIGNER_REQUEST_UNWRAP: get_exactly(r, q->wrapped, sizeof(q->wrapped)); return;
        }
        abort();
}

int signer_request_decode(const void *bytes, size_t len, struct signer_request *ret) {
        struct signer_request q = {0};
        struct wire_reader reader;
        int r;

        wire_reader_init(&reader, bytes, len);
        get_request(&reader, &q);
        r = wire_end(&reader);
        if (r >= 0) {
                *ret = q;
                if (q.call.role)
                        ret->call.role = &ret->role;
        }
        explicit_bzero(&q, sizeof(q)); /* it may hold a code or a key */
        return r;
}

static int put_status(struct buf *b, const struct signer_answer *a) {
        int r;

        if ((r = wire_put_u8(b, (uint8_t)a->vault)) < 0 || (r = wire_put_u8(b, a->arena)) < 0 ||
            (r = wire_put_u32(b, (uint32_t)a->n_keys)) < 0)
                return r;
        for (size_t i = 0; i < a->n_keys; i++) {
                const struct signer_key *k = &a->keys[i];

                if ((r = wire_put_text(b, k->name)) < 0 ||
                    (r = wire_put_text(b, k->access_key_id)) < 0 ||
                    (r = wire_put_text(b, k->mfa_serial)) < 0 ||
                    (r = wire_put_text(b, k->user_arn)) < 0)
                        return r;
        }
        return 0;
}

int signer_answer_encode(const struct signer_answer *a, struct buf *b) {
        int r;

        assert(a->n_keys <= SIGNER_KEYS_MAX);

        if ((r = wire_put_u8(b, (uint8_t)a->type)) < 0 || (r = wire_put_u32(b, a->id)) < 0)
                return r;
        switch (a->type) {
        case SIGNER_ANSWER_STATUS: return put_status(b, a);
        case SIGNER_ANSWER_SIGNED: return aws_http_request_put(&a->request, b);
        case SIGNER_ANSWER_REFUSED:
                r = wire_put_u8(b, (uint8_t)a->refusal);
                return r < 0 ? r : wire_put_u32(b, a->wait_sec);
        case SIGNER_ANSWER_DONE: return 0;
        case SIGNER_ANSWER_WRAPPED: return wire_put_bytes(b, a->wrapped, sizeof(a->wrapped));
        case SIGNER_ANSWER_UNWRAPPED:
                assert(secret_len(a->blob_key) == SIGNER_BLOB_KEY_LEN);
                return wire_put_bytes(b, secret_reveal(a->blob_key), SIGNER_BLOB_KEY_LEN);
        }
        abort();
}

/* Returns 0 or -ENOMEM; what does not fit is left to the reader's own mark. */
static int get_status(struct wire_reader *r, struct signer_answer *a) {
        uint8_t vault = wire_get_u8(r);
        uint32_t n;

        a->arena = wire_get_u8(r);
        n = wire_get_u32(r);
        if (vault > VAULT_OPEN || a->arena > SECRET_ARENA_PLAIN || n > SIGNER_KEYS_MAX ||
            (n > 0 && vault != VAULT_OPEN))
                r->failed = true;
        if (r->failed)
                return 0;
        a->vault = (enum vault_state)vault;
        if (n == 0)
                return 0;
        a->keys = calloc(n, sizeof(*a->keys));
        if (!a->keys)
                return -ENOMEM;
        a->n_keys = n;
        for (size_t i = 0; i < n; i++) {
                struct signer_key *k = &a->keys[i];

                wire_get_text(r, k->name, sizeof(k->name));
                wire_get_text(r, k->access_key_id, sizeof(k->access_key_id));
                wire_get_text(r, k->mfa_serial, sizeof(k->mfa_serial));
                wire_get_text(r, k->user_arn, sizeof(k->user_arn));
        }
        return 0;
}

/* As get_status(). */
static int get_blob_key(struct wire_reader *r, struct secret **ret) {
        size_t n;
        const void *at = wire_get_bytes(r, SIGNER_BLOB_KEY_LEN, &n);

        if (n != SIGNER_BLOB_KEY_LEN) {
                r->failed = true;
                return 0;
        }
        return secret_copy(at, n, ret);
}

static int get_answer(struct wire_reader *r, struct signer_answer *a) {
        uint8_t type = wire_get_u8(r), refusal;

        a->id = wire_get_u32(r);
        if (type < SIGNER_ANSWER_STATUS || type > SIGNER_ANSWER_UNWRAPPED ||
            (a->id == 0 && type != SIGNER_ANSWER_STATUS)) {
                r->failed = true;
                return 0;
        }
        a->type = (enum signer_answer_type)type;
        switch (a->type) {
        case SIGNER_ANSWER_STATUS: return get_status(r, a);
        case SIGNER_ANSWER_SIGNED: return aws_http_request_get(r, &a->request);
        case SIGNER_ANSWER_REFUSED:
                refusal = wire_get_u8(r);
                if (refusal < SIGNER_REFUSED_NO_VAULT || refusal > SIGNER_REFUSED_ALIEN)
                        r->failed = true;
                a->refusal = (enum signer_refusal)refusal;
                a->wait_sec = wire_get_u32(r);
                return 0;
        case SIGNER_ANSWER_DONE: return 0;
        case SIGNER_ANSWER_WRAPPED: get_exactly(r, a->wrapped, sizeof(a->wrapped)); return 0;
        case SIGNER_ANSWER_UNWRAPPED: return get_blob_key(r, &a->blob_key);
        }
        abort();
}

int signer_answer_decode(const void *bytes, size_t len, struct signer_answer *ret) {
        _cleanup_(signer_answer_clear) struct signer_answer a = {0};
        struct wire_reader reader;
        int r;

        wire_reader_init(&reader, bytes, len);
        r = get_answer(&reader, &a);
        if (r >= 0)
                r = wire_end(&reader);
        if (r < 0)
                return r;
        *ret = a;
        a = (struct signer_answer){0}; /* what it owned is the caller's now */
        return 0;
}

void signer_answer_clear(struct signer_answer *a) {
        free(a->keys); /* names and ids, no secrets */
        a->blob_key = secret_free(a->blob_key);
        aws_http_request_clear(&a->request);
        *a = (struct signer_answer){0};
}
