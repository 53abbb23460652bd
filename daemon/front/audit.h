/* audit.h - one record for every credential that is handed out or refused: who, which, and what became of it.
 * Owns:  the rate limit.
 * Calls: peers.h, log.h.
 * Limit: AUDIT_EACH_MAX records of one program, profile and result within AUDIT_WINDOW_SEC, AUDIT_ALL_MAX
 *        of all; one of each other user, AUDIT_STRANGERS_MAX of all of them, for what they do is kept in the
 *        same places as ours; then their number in one record when that time is over.
 *
 * Nothing here fails a request or takes time that grows with anything: see peers.h for the looking up. */
#pragma once
#include "common/macros.h"
#include "daemon/front/peers.h"
#include <systemd/sd-event.h>

#define AUDIT_EACH_MAX      10
#define AUDIT_ALL_MAX       300
#define AUDIT_STRANGERS_MAX 12
#define AUDIT_WINDOW_SEC    10

#define AUDIT_UNKNOWN_UID ((uid_t)-1) /* nobody's: POSIX setreuid(2) */

struct audit;
/* @peers is lent until audit_free(). */
int audit_new(sd_event *event, struct peers *peers, struct audit **ret);
/* Records what was suppressed. */
struct audit *audit_free(struct audit *a);
DEFINE_FREEP(struct audit, audit)

/* In all of these @a and @end may be NULL, for tests. @token: the client token's name; NULL for a call that needs none. */
void audit_lent(struct audit *a, struct peer_end *end, const char *profile, const char *token,
                const char *access_key_id);
/* @code: as the client heard it, "MfadLocked". @profile: NULL when it is not known what was asked for. */
void audit_refused(struct audit *a, struct peer_end *end, const char *profile, const char *token,
                   const char *code);
/* A connection of the user @uid, or of AUDIT_UNKNOWN_UID, which was closed before a byte of it was read. */
void audit_stranger(struct audit *a, uid_t uid);
