/* persist.h - sessions and roles outlive this process, in a file that nobody opens without mfad-signer.
 * Owns:  the runtime file `session`, the key that it is encrypted under, and the questions about that key.
 * Calls: session.h, roles.h, role_kept.h, signer_client.h, persist_blob.h.
 * Limit: PERSIST_FILE_MAX bytes; roles beyond that are bought anew. Written PERSIST_WRITE_MSEC after a change
 *        (and PERSIST_ROLE_MSEC more per role), at once after a session was bought; PERSIST_AGAIN_SEC after
 *        a write that failed. Restoring takes PERSIST_RESTORE_SEC and twice SIGNER_ANSWER_SEC at most.
 *
 * The file is there as long as there are credentials to be lost: it goes with the last of them, with a lock, and
 * when it cannot be opened in this boot; with lock_on_suspend also when the machine has slept since it was written. */
#pragma once
#include "common/macros.h"
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#define PERSIST_FILE_NAME   "session"
#define PERSIST_WRITE_MSEC  1000
#define PERSIST_ROLE_MSEC   4
#define PERSIST_AGAIN_SEC   30
#define PERSIST_RESTORE_SEC 5

struct config;
struct persist;
struct roles;
struct session;
struct sessions;
struct signer_client;

/* Looks whether an earlier process left a file. @runtime_dir_fd is duplicated, the rest lent until
 * persist_free(). */
int persist_new(sd_event *event, int runtime_dir_fd, const struct config *config,
                struct sessions *sessions, struct roles *roles, struct signer_client *signer,
                struct persist **ret);
/* What is still to be written is written first. */
struct persist *persist_free(struct persist *p);
DEFINE_FREEP(struct persist, persist)

/* Begins to open that file, if there is one; while the vault is sealed it waits for somebody to open it. */
void persist_start(struct persist *p);
/* True while mfad-signer is being asked: sessions may come back in a moment. */
bool persist_is_restoring(const struct persist *p);
/* @fn runs when that is over, and hears whether anything came back. One watcher. */
typedef void (*persist_restored_fn)(bool is_back, void *userdata);
void persist_watch(struct persist *p, persist_restored_fn fn, void *userdata);
/* Why the file cannot be written, and since when (wall clock). Returns a negative errno, or 0 when it can. */
int persist_problem(const struct persist *p, int64_t *ret_since_sec);

/* Something has changed, as the watchers of session.h, roles.h and signer_client.h hear it. */
void persist_session_changed(struct persist *p, const struct session *session);
void persist_role_changed(struct persist *p);
void persist_signer_changed(struct persist *p);

/* Removes the file, and gives up what has not come back yet. */
void persist_forget(struct persist *p);
