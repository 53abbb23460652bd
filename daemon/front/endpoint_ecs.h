/* endpoint_ecs.h - the bodies of the container-credentials protocol, byte for byte.
 * Owns:  nothing; a body belongs to the caller.
 * Calls: lease.h, secret.h, buf.h.
 * Limit: ECS_BODY_MAX bytes of credentials, ECS_ERROR_MAX of an error.
 * Source: what the SDKs read, docs/protocol.md: JS wants all four fields and Expiration with Z, .NET
 * wants Code, Java reads code and message, JS Code and Message. */
#pragma once
#include <stddef.h>

#define ECS_BODY_MAX  ((size_t)24 * 1024)
#define ECS_ERROR_MAX ((size_t)2 * 1024)

struct buf;
struct lease;
struct secret;

/* The body of a 200 for @l, whose credentials are good. Times are by the local clock, which is what SDKs
 * compare with. Returns 0, -EBADMSG for a value that JSON would have to escape (AWS sends none, so
 * it is not served), -E2BIG, or an error of secret_new(). */
int endpoint_ecs_creds(const struct lease *l, struct secret **ret);
/* One line; @message without the "mfad: " in front. Errors as buf_put(). */
int endpoint_ecs_error(const char *code, const char *message, struct buf *ret);
