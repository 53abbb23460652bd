/* endpoint.h - what a legal request is answered: tokens, profiles, sessions, and who has to wait.
 * Owns:  the answers that are ready, and the requests that are held.
 * Calls: session.h, roles.h, profiles.h, tokens.h, signer_client.h, persist.h, endpoint_hold.h, endpoint_ready.h,
 *        audit.h.
 * Limit: ENDPOINT_HOLD_MSEC for a request that waits for a call in flight, ENDPOINT_HELD_MAX of them;
 *        ENDPOINT_BAD_TOKENS_MAX a minute, then ENDPOINT_BAD_TOKEN_MSEC of delay for each. */
#pragma once
#include "common/macros.h"
#include "daemon/front/endpoint_hold.h"
#include "daemon/front/http_guard.h"

#define ENDPOINT_HOLD_MSEC      800
#define ENDPOINT_HELD_MAX       960 /* below HTTP_CONNECTIONS_MAX: some can always be answered */
#define ENDPOINT_BAD_TOKENS_MAX 20
#define ENDPOINT_BAD_TOKEN_MSEC 100

struct MHD_Connection;
struct audit;
struct endpoint;
struct persist;
struct profiles;
struct roles;
struct sessions;
struct signer_client;
struct tokens;

/* All of them are lent until endpoint_free(). */
struct endpoint_parts {
        struct sessions *sessions;
        struct roles *roles;
        struct profiles *profiles;
        struct tokens *tokens;
        struct signer_client *signer;
        struct persist *persist;
        struct audit *audit; /* NULL for none */
};
int endpoint_new(sd_event *event, const struct endpoint_parts *parts, struct endpoint **ret);
/* No request may be held any more. */
struct endpoint *endpoint_free(struct endpoint *e);
DEFINE_FREEP(struct endpoint, endpoint)

/* @fn runs after connections were resumed: libmicrohttpd wants to be run then, and its epoll does not
 * say so by itself. One watcher; NULL for none. */
void endpoint_on_resumed(struct endpoint *e, void (*fn)(void *userdata), void *userdata);

/* Answers @call on @connection. Returns 0 when an answer is queued; -EINPROGRESS when the connection
 * was suspended, and will be resumed to be asked again with the same @request and @call; another
 * negative errno when the connection cannot be answered and must end. */
int endpoint_answer(struct endpoint *e, struct endpoint_request *request,
                    struct MHD_Connection *connection, const struct http_call *call);
/* Answers @request with the fixed text of @refusal. Returns 0 or a negative errno as above. */
int endpoint_refuse(struct endpoint *e, const struct endpoint_request *request,
                    struct MHD_Connection *connection, enum http_refusal refusal);
/* persist_is_restoring() is over: who waited for that is answered as things stand. */
void endpoint_restored(struct endpoint *e);
/* From now on nothing is held; what is held is resumed and answered as things stand. */
void endpoint_answer_held(struct endpoint *e);
