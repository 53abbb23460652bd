/* sign_api.h - the `sign` socket (SOCK_SEQPACKET), on which the front asks for signed requests.
 * Owns:  the listening descriptor and its connections.
 * Calls: sign.h, vault.h, code_memory.h, sd-event.
 * Limit: SIGN_CONNECTIONS_MAX connections, SIGNER_PACKET_MAX bytes a packet. A peer that does not
 *        read its answers, or sends what is no packet, is dropped.
 * Only peers with our own uid are served (SO_PEERCRED). */
#pragma once
#include "common/macros.h"
#include <systemd/sd-event.h>

#define SIGN_CONNECTIONS_MAX 8

struct sign_api;
struct vault;

/* @listen_fd: taken, also on failure. @runtime_dir_fd: lent, for the memory of used codes; negative
 * for none. @vault is lent and must live longer. */
int sign_api_new(sd_event *event, int listen_fd, int runtime_dir_fd, struct vault *vault,
                 struct sign_api **ret);
struct sign_api *sign_api_free(struct sign_api *s);
DEFINE_FREEP(struct sign_api, sign_api)
/* Lent, to be handed over to a new process image. */
int sign_api_listen_fd(const struct sign_api *s);

/* Tells every connection the vault's present state: for use after each change of it. */
void sign_api_tell(struct sign_api *s);
