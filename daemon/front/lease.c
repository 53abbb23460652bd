#include "daemon/front/lease.h"
#include "common/aws_request.h"
#include "common/clock.h"
#include "common/fetch_proto.h"

#include <string.h>

#define LIFE_SEC_SLACK 300 /* an answer may say a little more than was asked for */

/* The life of what @answer brings; 0 when it makes no sense. */
static uint64_t life_of_answer(const struct fetch_answer *answer, int64_t now_sec) {
        bool is_dated = answer->is_date_verified && answer->date_sec > 0;
        int64_t life = answer->creds->expiration_sec - (is_dated ? answer->date_sec : now_sec);

        return life < LEASE_SERVE_SEC_MIN || life > AWS_DURATION_SEC_MAX + LIFE_SEC_SLACK
                       ? 0
                       : (uint64_t)life;
}

int lease_take(struct lease *l, struct fetch_answer *answer, int64_t now_sec) {
        uint64_t life = life_of_answer(answer, now_sec);

        if (life == 0)
                return -EBADMSG;
        (void)creds_free(l->creds); /* always NULL */
        l->creds = TAKE_PTR(answer->creds);
        l->bought_boot_usec = clock_boot_usec();
        l->ends_boot_usec = l->bought_boot_usec + life * USEC_PER_SEC;
        l->bought_wall_sec = clock_wall_sec();
        l->ends_wall_sec = l->bought_wall_sec + (int64_t)life;
        return 0;
}

void lease_end(struct lease *l) {
        l->creds = creds_free(l->creds);
}

void lease_clear(struct lease *l) {
        lease_end(l);
        free(l->role_arn);
        *l = (struct lease){0};
}

int lease_set_role(struct lease *l, const char *role_arn) {
        char *copy = NULL;

        if (role_arn) {
                copy = strdup(role_arn);
                if (!copy)
                        return -ENOMEM;
        }
        free(l->role_arn);
        l->role_arn = copy;
        return 0;
}

uint64_t lease_left_sec(const struct lease *l) {
        uint64_t now = clock_boot_usec();

        return l->creds && now < l->ends_boot_usec ? (l->ends_boot_usec - now) / USEC_PER_SEC : 0;
}

uint64_t lease_life_sec(const struct lease *l) {
        return l->creds ? (l->ends_boot_usec - l->bought_boot_usec) / USEC_PER_SEC : 0;
}

const struct creds *lease_creds(const struct lease *l) {
        return lease_left_sec(l) >= LEASE_SERVE_SEC_MIN ? l->creds : NULL;
}

int64_t lease_expires_wall_sec(const struct lease *l) {
        int64_t fresh;

        if (!l->creds)
                return 0;
        /* the two clocks tick at different instants; only a clock that was set makes a difference */
        fresh = clock_wall_sec() + (int64_t)lease_left_sec(l);
        return llabs(fresh - l->ends_wall_sec) <= 2 ? l->ends_wall_sec : fresh;
}

bool lease_read_account(const char *arn, char *out) {
        const char *p = arn;

        *out = '\0';
        if (strncmp(arn, "arn:", 4) != 0)
                return false;
        for (unsigned colons = 0; colons < 4; colons++) {
                p = strchr(p, ':');
                if (!p)
                        return false;
                p++;
        }
        if (strspn(p, "0123456789") != ACCOUNT_LEN || p[ACCOUNT_LEN] != ':')
                return false;
        memcpy(out, p, ACCOUNT_LEN);
        out[ACCOUNT_LEN] = '\0';
        return true;
}
