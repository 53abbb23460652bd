#include "daemon/signer/sign.h"
#include "common/buf.h"
#include "common/log.h"
#include "common/secret.h"
#include "common/sigv4.h"
#include "daemon/signer/code_memory.h"
#include "daemon/signer/policy.h"
#include "daemon/signer/vault_keys.h"

#include <string.h>

int sign_status(const struct sign_context *c, uint32_t id, struct buf *ret) {
        _cleanup_(signer_answer_clear) struct signer_answer a = {
                .type = SIGNER_ANSWER_STATUS,
                .id = id,
                .vault = c->vault,
                .arena = (uint8_t)secret_arena_kind(),
        };

        if (c->keys && c->keys->n > 0) {
                a.keys = calloc(c->keys->n, sizeof(*a.keys));
                if (!a.keys)
                        return -ENOMEM;
                a.n_keys = c->keys->n;
                for (size_t i = 0; i < a.n_keys; i++)
                        a.keys[i] = c->keys->keys[i].info;
        }
        return signer_answer_encode(&a, ret);
}

static void refuse(struct signer_answer *a, enum signer_refusal refusal) {
        a->type = SIGNER_ANSWER_REFUSED;
        a->refusal = refusal;
}

static void refuse_closed(const struct sign_context *c, struct signer_answer *a) {
        refuse(a, c->vault == VAULT_NONE ? SIGNER_REFUSED_NO_VAULT : SIGNER_REFUSED_SEALED);
}

/* The key that @q may be signed with, or NULL with the refusal in @a. */
static const struct vault_key *find_key(const struct sign_context *c,
                                        const struct signer_request *q, struct signer_answer *a) {
        const struct vault_key *key;
        enum policy_result policy;

        if (!c->keys) {
                refuse_closed(c, a);
                return NULL;
        }
        policy = policy_check(&q->call, c->now_sec);
        if (policy != POLICY_ALLOWED) {
                (void)log_warning(0, "not signing %s for \"%s\": %s is not allowed",
                                  aws_op_name(q->call.op), q->key, policy_name(policy));
                refuse(a, SIGNER_REFUSED_POLICY);
                return NULL;
        }
        key = vault_keys_get(c->keys, q->key);
        if (!key)
                refuse(a, SIGNER_REFUSED_UNKNOWN_KEY);
        return key;
}

/* True when the call's code, if it has one, was not signed lately; else the refusal is in @a. */
static bool code_is_fresh(struct code_memory *codes, const struct aws_call *call,
                          struct signer_answer *a) {
        int r;

        if (!aws_call_has_code(call))
                return true;
        r = code_memory_check(codes, call->mfa_serial, call->mfa_code);
        if (r == 0)
                return true;
        if (r > 0) {
                refuse(a, SIGNER_REFUSED_CODE_USED);
                a->wait_sec = (uint32_t)r;
        } else {
                (void)log_warning(r, "cannot tell whether this MFA code was used before, refusing");
                refuse(a, SIGNER_REFUSED_INTERNAL);
        }
        return false;
}

static void sign(const struct sign_context *c, const struct signer_request *q,
                 struct signer_answer *a) {
        const struct aws_call *call = &q->call;
        const struct vault_key *key = find_key(c, q, a);
        int r;

        if (!key || !code_is_fresh(c->codes, call, a))
                return;
        r = aws_request_build(call,
                              &(struct sigv4_key){.access_key_id = key->info.access_key_id,
                                                  .secret_key = key->secret_key},
                              &a->request);
        /* before the request leaves this process: what was not remembered is not handed out */
        if (r >= 0 && aws_call_has_code(call))
                r = code_memory_add(c->codes, call->mfa_serial, call->mfa_code);
        if (r < 0) {
                (void)log_error(r, "cannot sign %s for \"%s\"", aws_op_name(call->op), q->key);
                aws_http_request_clear(&a->request);
                refuse(a, SIGNER_REFUSED_INTERNAL);
                return;
        }
        a->type = SIGNER_ANSWER_SIGNED;
        log_info("signed %s for \"%s\"", aws_op_name(call->op), q->key);
}

static void wrap(const struct sign_context *c, const struct signer_request *q,
                 struct signer_answer *a) {
        int r;

        if (!c->wrap.kek) {
                refuse_closed(c, a);
                return;
        }
        r = wrap_seal(&c->wrap, q->blob_key, a->wrapped);
        if (r < 0) {
                (void)log_error(r, "cannot wrap a key for mfad");
                refuse(a, SIGNER_REFUSED_INTERNAL);
                return;
        }
        a->type = SIGNER_ANSWER_WRAPPED;
}

/* mfad may end between a change of the passphrase and the moment at which it has wrapped its key anew. */
static void unwrap(const struct sign_context *c, const struct signer_request *q,
                   struct signer_answer *a) {
        const struct secret *const *former = c->former_keks;
        struct wrap w = c->wrap;
        int r;

        if (!c->wrap.kek) {
                refuse_closed(c, a);
                return;
        }
        r = wrap_open(&w, q->wrapped, &a->blob_key);
        while (r == -EBADMSG && former && *former) {
                w.kek = *former++;
                r = wrap_open(&w, q->wrapped, &a->blob_key);
        }
        if (r == -EBADMSG) {
                refuse(a, SIGNER_REFUSED_ALIEN);
                return;
        }
        if (r < 0) {
                (void)log_error(r, "cannot unwrap a key for mfad");
                refuse(a, SIGNER_REFUSED_INTERNAL);
                return;
        }
        a->type = SIGNER_ANSWER_UNWRAPPED;
}

static int answer(const struct sign_context *c, const struct signer_request *q, struct buf *ret) {
        _cleanup_(signer_answer_clear) struct signer_answer a = {.id = q->id};

        switch (q->type) {
        case SIGNER_REQUEST_STATUS: return sign_status(c, q->id, ret);
        case SIGNER_REQUEST_SIGN: sign(c, q, &a); break;
        case SIGNER_REQUEST_FORGET_CODE:
                code_memory_forget(c->codes, q->call.mfa_serial, q->call.mfa_code);
                a.type = SIGNER_ANSWER_DONE;
                break;
        case SIGNER_REQUEST_WRAP: wrap(c, q, &a); break;
        case SIGNER_REQUEST_UNWRAP: unwrap(c, q, &a); break;
        }
        return signer_answer_encode(&a, ret);
}

int sign_packet(const struct sign_context *c, const void *bytes, size_t len, struct buf *ret) {
        struct signer_request q = {0};
        int r;

        r = signer_request_decode(bytes, len, &q);
        if (r >= 0)
                r = answer(c, &q, ret);
        explicit_bzero(&q, sizeof(q)); /* it may hold a code or a key */
        return r;
}
