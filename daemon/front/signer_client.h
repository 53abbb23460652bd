/* signer_client.h - the one connection to mfad-signer's `sign` socket, and what it told us.
 * Owns:  the connection, the requests under way, the last known state of the vault.
 * Calls: common/signer_proto.h, sd-event.
 * Limit: SIGNER_CALLS_MAX requests under way, SIGNER_ANSWER_SEC for an answer.
 * Connects when first asked and again when asked after the signer went away; at once only after a
 * connection that had lived, because a signer that was sealed keeps its socket. Never by a timer. */
#pragma once
#include "common/macros.h"
#include "common/signer_proto.h"
#include <stdbool.h>
#include <systemd/sd-event.h>

#define SIGNER_CALLS_MAX  16
#define SIGNER_ANSWER_SEC 5

struct signer_client;
struct signer_call;

/* @socket_path is copied. */
int signer_client_new(sd_event *event, const char *socket_path, struct signer_client **ret);
struct signer_client *signer_client_free(struct signer_client *c);
DEFINE_FREEP(struct signer_client, signer_client)

/* What was last heard. Until then, and without a connection, the vault counts as sealed. Keys are lent until
 * the next signer_client_ask(), which may find that the signer is gone, and its keys with it; and no longer
 * than until the event loop's next turn. */
bool signer_client_is_connected(const struct signer_client *c);
enum vault_state signer_client_vault(const struct signer_client *c);
size_t signer_client_n_keys(const struct signer_client *c);
const struct signer_key *signer_client_key(const struct signer_client *c, size_t i);
/* NULL when the vault is sealed or has no such key. */
const struct signer_key *signer_client_find_key(const struct signer_client *c, const char *name);
/* @fn runs from the event loop, never inside signer_client_ask(): whenever the above has changed, when the
 * signer speaks unasked, and at the first answer after one that did not come. One watcher. */
void signer_client_watch(struct signer_client *c, void (*fn)(void *userdata), void *userdata);

/* Asks @request (its id is set here). @fn runs exactly once, never before this returns, unless
 * cancelled: with @answer (lent; it may take `request` out by clearing it) or with a negative errno
 * when the signer is not there, went away or did not answer in time. @fn and @ret may be NULL.
 * Returns 0, -ENOMEM, -EBUSY. */
typedef void (*signer_answer_fn)(int r, struct signer_answer *answer, void *userdata);
int signer_client_ask(struct signer_client *c, const struct signer_request *request,
                      signer_answer_fn fn, void *userdata, struct signer_call **ret);
/* After this @fn will not run. NULL is allowed. Always returns NULL. */
struct signer_call *signer_call_cancel(struct signer_call *call);
