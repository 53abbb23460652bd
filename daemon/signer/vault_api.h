/* vault_api.h - org.mfad.Vault: how mfactl opens, seals and fills the vault.
 * Owns:  the passphrases that wait for their turn, and the count of wrong ones.
 * Calls: vault.h, vault_answers.h, daemon/shared/varlink_server.h, sd-event.
 * Limit: VAULT_API_WAITING_MAX passphrases in the queue; after k wrong ones the next is looked at
 *        min(k x 0.1 s, 10 s) later. */
#pragma once
#include "common/macros.h"
#include <systemd/sd-event.h>

#define VAULT_API_WAITING_MAX 4

struct vault;
struct vault_api;
struct varlink_call;

/* Must replace the process and let the new image answer @call. */
typedef void (*vault_api_seal_fn)(struct varlink_call *call, void *userdata);

/* @listen_fd: taken, also on failure. @vault is lent and must live longer. */
int vault_api_new(sd_event *event, int listen_fd, struct vault *vault, vault_api_seal_fn seal,
                  void *userdata, struct vault_api **ret);
struct vault_api *vault_api_free(struct vault_api *a);
DEFINE_FREEP(struct vault_api, vault_api)
/* Lent, to be handed over to a new process image. */
int vault_api_listen_fd(const struct vault_api *a);
