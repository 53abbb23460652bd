/* lease.h - temporary credentials and how long they may still be lent, on a clock that does not jump.
 * Owns:  its credentials.
 * Calls: common/creds.h, clock.h.
 * Limit: LEASE_SERVE_SEC_MIN; credentials with less life count as expired. */
#pragma once
#include "common/creds.h"
#include <stdint.h>

#define LEASE_SERVE_SEC_MIN 60
#define ACCOUNT_LEN         12

struct fetch_answer;

/* Embedded by its owner, a session or a role; all zero at birth. */
struct lease {
        struct creds *creds;
        uint64_t bought_boot_usec;
        uint64_t ends_boot_usec; /* AWS's expiration; lent until LEASE_SERVE_SEC_MIN before */
        int64_t bought_wall_sec;
        int64_t ends_wall_sec;         /* the same as our wall clock told it then */
        char account[ACCOUNT_LEN + 1]; /* "" when not known */
        char *role_arn;                /* NULL for a session of a user */
};

/* Takes the creds out of @answer in place of the old ones. @now_sec is AWS's time, used when the answer
 * has no verified date of its own. Returns 0, or -EBADMSG when their end makes no sense: then the old
 * ones stay. */
int lease_take(struct lease *l, struct fetch_answer *answer, int64_t now_sec);
/* Drops the credentials; account and role stay. */
void lease_end(struct lease *l);
/* Drops everything. */
void lease_clear(struct lease *l);

/* Names whose they are. @role_arn may be NULL; copied. Returns 0 or -ENOMEM. */
int lease_set_role(struct lease *l, const char *role_arn);

/* How long until AWS's expiration; 0 without creds. */
uint64_t lease_left_sec(const struct lease *l);
/* How long they were good for when they were bought; 0 without creds. */
uint64_t lease_life_sec(const struct lease *l);
/* The credentials with at least LEASE_SERVE_SEC_MIN left, else NULL. Lent until the next change. */
const struct creds *lease_creds(const struct lease *l);
/* Their end in terms of the local wall clock (SDKs compare with that); 0 without creds. */
int64_t lease_expires_wall_sec(const struct lease *l);

/* Copies the account out of "arn:aws:iam::123456789012:mfa/alice" to @out of ACCOUNT_LEN + 1 bytes.
 * Returns false, and "" there, when @arn names none. */
bool lease_read_account(const char *arn, char *out);
