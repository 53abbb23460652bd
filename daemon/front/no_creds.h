/* no_creds.h - why a session has no credentials to give, in the same words over HTTP and Varlink.
 * Owns:  nothing.
 * Calls: session.h, signer_client.h, failure.h, clock.h.
 * Limit: a failure counts for NO_CREDS_FRESH_SEC. */
#pragma once

#define NO_CREDS_FRESH_SEC 300 /* an older failure is history: the session is just locked */

/* While persist_is_restoring(). */
#define NO_CREDS_RESTORING "asking mfad-signer for what was unlocked, try again in a moment"

struct failure;
struct session;
struct signer_client;

/* @session: NULL when there never was one. @ret: the call that is under way, why the last attempt failed if
 * that was a short time ago, that the session has ended, or what the vault is. */
void no_creds_explain(const struct session *session, const struct signer_client *signer,
                      struct failure *ret);
