/* endpoint.h - what a legal request is answered: routes, tokens, and the bodies of client-contract 4.
 * Owns:  the prepared answers (built once per change of a session) and the list of held requests.
 * Calls: session.h, profiles.h, tokens.h, signer_client.h, libmicrohttpd's answers.
 * Limit: ENDPOINT_HOLD_MSEC for a request that waits for a call in flight, ENDPOINT_HELD_MAX of them. */
#pragma once
#include "common/macros.h"
#include <systemd/sd-event.h>

#define ENDPOINT_HOLD_MSEC 800
#define ENDPOINT_HELD_MAX  1024

struct endpoint;
struct profiles;
struct sessions;
struct signer_client;
struct tokens;

/* All arguments are lent until endpoint_free(). */
int endpoint_new(sd_event *event, struct sessions *sessions, struct profiles *profiles,
                 struct tokens *tokens, struct signer_client *signer, struct endpoint **ret);
struct endpoint *endpoint_free(struct endpoint *e);
DEFINE_FREEP(struct endpoint, endpoint)
