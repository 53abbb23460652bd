/* endpoint_ecs.h - the bodies of the container-credentials protocol, byte for byte.
 * Owns:  nothing; a body belongs to the caller.
 * Calls: creds.h, secret.h, buf.h.
 * Limit: ECS_BODY_MAX bytes of credentials, ECS_ERROR_MAX of an error.
 * Source: what the SDKs read, docs/protocol.md: JS wants all four fields and Expiration with Z, .NET
 * wants Code, Java reads code and message, JS Code and Message. */
#pragma once
#include "common/creds.h"
#include <stdint.h>

#define ECS_BODY_MAX  ((size_t)24 * 1024)
#define ECS_ERROR_MAX ((size_t)2 * 1024)

struct buf;
struct secret;

/* The body of a 200. @account: "" when not known. Times are by the local clock, which is what SDKs
 * compare with. Returns 0, -EBADMSG for a value that JSON would have to escape (AWS sends none, so
 * it is not served), -E2BIG, or an error of secret_new(). */
int endpoint_ecs_creds(const struct creds *creds, const char *account, int64_t expires_wall_sec,
                       int64_t updated_wall_sec, struct secret **ret);
/* One line; @message without the "mfad: " in front. Errors as buf_put(). */
int endpoint_ecs_error(const char *code, const char *message, struct buf *ret);
