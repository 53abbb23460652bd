/* sign.h - one packet of the front in, one answer out: vault, policy, code memory, signature, wrap.
 * Owns:  nothing; it lends everything from its context.
 * Calls: policy.h, code_memory.h, vault_keys.h, wrap.h, common/signer_proto.h, aws_request.h. No sockets.
 * Limit: SIGNER_PACKET_MAX bytes an answer. */
#pragma once
#include "common/signer_proto.h"
#include "daemon/signer/wrap.h"
#include <stddef.h>
#include <stdint.h>

struct buf;
struct code_memory;
struct vault_keys;

struct sign_context {
        enum vault_state vault;
        const struct vault_keys *keys;           /* NULL unless open */
        struct wrap wrap;                        /* its kek: NULL unless open */
        const struct secret *const *former_keks; /* of the same vault, ends with NULL; or NULL */
        struct code_memory *codes;
        int64_t now_sec; /* our wall clock */
};

/* Appends the answer to the packet @bytes to @ret. Trouble of ours is answered with
 * SIGNER_REFUSED_INTERNAL. Returns 0, -EBADMSG for what is no packet, -ENOMEM, -E2BIG. */
int sign_packet(const struct sign_context *c, const void *bytes, size_t len, struct buf *ret);

/* Appends the STATUS packet that answers request @id; 0 when nobody asked. Errors as buf_put(). */
int sign_status(const struct sign_context *c, uint32_t id, struct buf *ret);
