#include "daemon/front/no_creds.h"
#include "common/clock.h"
#include "daemon/front/failure.h"
#include "daemon/front/session.h"
#include "daemon/front/signer_client.h"

/* The last attempt's failure, when it says more than that the session is locked. */
static const struct failure *fresh_failure(const struct session *session) {
        const struct failure *f = session_failure(session);

        if (!f || clock_wall_sec() - f->at_wall_sec > NO_CREDS_FRESH_SEC)
                return NULL;
        if (f->reason == FAILURE_SEALED || f->reason == FAILURE_NO_VAULT)
                return NULL; /* that may have changed since */
        return f;
}

static enum failure_reason vault_reason(const struct signer_client *signer) {
        if (!signer_client_is_connected(signer))
                return FAILURE_NONE; /* nothing is known about the vault */
        switch (signer_client_vault(signer)) {
        case VAULT_NONE: return FAILURE_NO_VAULT;
        case VAULT_SEALED: return FAILURE_SEALED;
        case VAULT_OPEN: return FAILURE_NONE;
        }
        abort();
}

void no_creds_explain(const struct session *session, const struct signer_client *signer,
                      struct failure *ret) {
        const struct failure *f = session ? fresh_failure(session) : NULL;

        if (session && session_is_busy(session))
                failure_set(ret, FAILURE_BUSY, NULL);
        else if (f)
                *ret = *f;
        else if (session && session_has_expired(session))
                failure_set(ret, FAILURE_EXPIRED, NULL);
        else
                failure_set(ret, vault_reason(signer), NULL);
}
