#include "daemon/front/audit.h"
#include "common/clock.h"
#include "common/encode.h"
#include "common/log.h"

#include <stdio.h>
#include <string.h>

#define WINDOW_USEC   (AUDIT_WINDOW_SEC * USEC_PER_SEC)
#define LIMITS_MAX    256
#define STRANGERS_MAX 16
#define NAME_MAX_LEN  128 /* of a profile; a role's ARN is cut */
#define RESULT_MAX    32
#define SUFFIX_LEN    4
#define WHO_MAX       512

/* What one program asks of one profile, with one result; or all that one other user asks. */
struct limit {
        uint64_t key; /* of all three, or the uid; 0 for a free place */
        uint64_t since_usec;
        unsigned n, n_suppressed;
        bool is_stranger;
        uid_t uid; /* of a stranger; the next three of others */
        struct peer_end end;
        char profile[NAME_MAX_LEN + 1];
        char result[RESULT_MAX + 1];
};

/* All records of ours, or all of strangers: other users may not use up what ours need. */
struct share {
        uint64_t since_usec;
        unsigned n, max;
        unsigned n_lost; /* suppressed, and not even counted by program or user */
};

struct audit {
        struct peers *peers;
        sd_event_source *timer;                          /* while something was suppressed */
        struct limit limits[LIMITS_MAX + STRANGERS_MAX]; /* these in places of their own, too */
        struct share ours, strangers;
};

/* FNV-1a (draft-eastlake-fnv), with the NUL as a mark between texts. */
static uint64_t hash(uint64_t h, const char *text) {
        do
                h = (h ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
        while (*text++);
        return h;
}

/* A loop that starts a thousand processes is one program. */
static uint64_t key_of(const struct peer *peer, const char *profile, const char *result) {
        uint64_t h = UINT64_C(0xcbf29ce484222325);

        if (*peer->exe)
                h = hash(h, peer->exe);
        else
                h = hash(h ^ (uint64_t)peer->pid, peer->comm);
        h = hash(hash(h, profile), result);
        return h == 0 ? 1 : h;
}

static bool begin_if_over(uint64_t *since_usec, uint64_t now) {
        if (now - *since_usec < WINDOW_USEC)
                return false;
        *since_usec = now;
        return true;
}

static struct share *share_of(struct audit *a, bool is_stranger) {
        return is_stranger ? &a->strangers : &a->ours;
}

/* Whether one more record may be written at all. */
static bool may_record(struct share *s, uint64_t now) {
        if (begin_if_over(&s->since_usec, now))
                s->n = 0;
        if (s->n >= s->max)
                return false;
        s->n++;
        return true;
}

static void arm(struct audit *a) {
        if (sd_event_source_get_enabled(a->timer, NULL) > 0)
                return;
        /* neither can fail for a timer of a running loop */
        (void)sd_event_source_set_time_relative(a->timer, WINDOW_USEC);
        (void)sd_event_source_set_enabled(a->timer, SD_EVENT_ONESHOT);
}

/* "/usr/bin/aws (pid 42, app.scope)" */
static const char *describe(const struct peer *peer, char out[WHO_MAX]) {
        const char *name = *peer->exe ? peer->exe : peer->comm;

        if (peer->pid == 0)
                return "a process that could not be found out";
        (void)snprintf(out, WHO_MAX, "%s%s(pid %d%s%s)", name, *name ? " " : "", (int)peer->pid,
                       *peer->unit ? ", " : "", peer->unit);
        return out;
}

static struct event_fields fields_of(const struct peer *peer, const char *profile,
                                     const char *result) {
        return (struct event_fields){
                .profile = *profile ? profile : NULL,
                .result = result,
                .has_peer = true,
                .uid = getuid(),
                .pid = peer->pid,
                .exe = *peer->exe ? peer->exe : NULL,
                .comm = *peer->comm ? peer->comm : NULL,
                .unit = *peer->unit ? peer->unit : NULL,
        };
}

/* What cannot be found out is not said to be another user's. */
static struct event_fields fields_of_stranger(uid_t uid) {
        bool is_known = uid != AUDIT_UNKNOWN_UID;

        return (struct event_fields){
                .result = is_known ? "foreign-uid" : "unknown-uid",
                .has_peer = is_known,
                .uid = uid,
        };
}

/* "uid 42" */
static const char *describe_stranger(uid_t uid, char out[WHO_MAX]) {
        if (uid == AUDIT_UNKNOWN_UID)
                return "a user who could not be found out";
        (void)snprintf(out, WHO_MAX, "uid %u", (unsigned)uid);
        return out;
}

static void say_suppressed(struct audit *a, struct limit *l) {
        struct event_fields f;
        char who[WHO_MAX];

        if (l->is_stranger) {
                f = fields_of_stranger(l->uid);
                f.n_suppressed = l->n_suppressed;
                log_event(EVENT_SUPPRESSED, &f, "%u more connections of %s were closed unheard",
                          l->n_suppressed, describe_stranger(l->uid, who));
        } else {
                const struct peer *peer = peers_look(a->peers, &l->end);

                f = fields_of(peer, l->profile, l->result);
                f.n_suppressed = l->n_suppressed;
                log_event(EVENT_SUPPRESSED, &f, "%u more records of \"%s\", %s, for %s",
                          l->n_suppressed, l->profile, l->result, describe(peer, who));
        }
}

/* Says how many records of @l were suppressed. */
static void close_limit(struct audit *a, struct limit *l, uint64_t now) {
        struct share *s = share_of(a, l->is_stranger);

        if (l->n_suppressed == 0)
                return;
        if (may_record(s, now)) {
                say_suppressed(a, l);
        } else {
                s->n_lost += l->n_suppressed;
                arm(a);
        }
        l->n_suppressed = 0;
}

static void close_lost(struct share *s, const char *of_whom, uint64_t now) {
        struct event_fields f = {.n_suppressed = s->n_lost};

        if (s->n_lost == 0 || !may_record(s, now))
                return;
        log_event(EVENT_SUPPRESSED, &f, "%u more records of %s", s->n_lost, of_whom);
        s->n_lost = 0;
}

static void close_all_lost(struct audit *a, uint64_t now) {
        close_lost(&a->ours, "many programs", now);
        close_lost(&a->strangers, "many other users", now);
}

/* The place @l for @key, its time begun anew if it was over. */
static void take_limit(struct audit *a, struct limit *l, uint64_t key, bool is_stranger,
                       uint64_t now) {
        if (l->key != key) {
                close_limit(a, l, now);
                *l = (struct limit){.key = key, .is_stranger = is_stranger, .since_usec = now};
        } else if (now - l->since_usec >= WINDOW_USEC) {
                close_limit(a, l, now);
                l->since_usec = now;
                l->n = 0;
        }
}

/* True when there is to be no record, only a count. */
static bool is_suppressed(struct audit *a, struct limit *l, uint64_t now) {
        if (l->n < (l->is_stranger ? 1 : AUDIT_EACH_MAX) &&
            may_record(share_of(a, l->is_stranger), now)) {
                l->n++;
                return false;
        }
        if (l->n_suppressed++ == 0)
                arm(a);
        return true;
}

static void record(struct audit *a, enum event event, struct peer_end *end, const char *profile,
                   const char *token, const char *result, const char *access_key_id) {
        struct peer_end nobody = {0};
        /* a copy: a record of another program may come in between, and be looked up as well */
        struct peer peer = *peers_look(a->peers, end ? end : &nobody);
        uint64_t now = clock_boot_usec(), key;
        struct event_fields f;
        struct limit *l;
        char who[WHO_MAX];

        profile = profile ? profile : "";
        key = key_of(&peer, profile, result);
        l = &a->limits[key % LIMITS_MAX];
        take_limit(a, l, key, /* is_stranger= */ false, now);
        if (is_suppressed(a, l, now)) {
                if (l->n_suppressed == 1) {
                        l->end = end ? *end : nobody;
                        (void)snprintf(l->profile, sizeof(l->profile), "%s",
                                       profile); /* may be cut */
                        (void)snprintf(l->result, sizeof(l->result), "%s", result);
                }
                return;
        }
        f = fields_of(&peer, profile, result);
        f.token = token;
        if (access_key_id && strlen(access_key_id) > SUFFIX_LEN)
                f.key_id_suffix = access_key_id + strlen(access_key_id) - SUFFIX_LEN;
        if (!*profile)
                log_event(event, &f, "no credentials for %s: %s", describe(&peer, who), result);
        else if (event == EVENT_LENT)
                log_event(event, &f, "credentials of \"%s\" lent to %s", profile,
                          describe(&peer, who));
        else
                log_event(event, &f, "no credentials of \"%s\" for %s: %s", profile,
                          describe(&peer, who), result);
}

void audit_lent(struct audit *a, struct peer_end *end, const char *profile, const char *token,
                const char *access_key_id) {
        if (a)
                record(a, EVENT_LENT, end, profile, token, "ok", access_key_id);
}

void audit_refused(struct audit *a, struct peer_end *end, const char *profile, const char *token,
                   const char *code) {
        if (a)
                record(a, EVENT_REFUSED, end, profile, token, code, NULL);
}

void audit_stranger(struct audit *a, uid_t uid) {
        uint64_t now = clock_boot_usec();
        struct event_fields f;
        struct limit *l;
        char who[WHO_MAX];

        if (!a)
                return;
        l = &a->limits[LIMITS_MAX + uid % STRANGERS_MAX];
        take_limit(a, l, (uint64_t)uid + 1, /* is_stranger= */ true, now); /* 0 is a free place */
        l->uid = uid;
        if (is_suppressed(a, l, now))
                return;
        f = fields_of_stranger(uid);
        log_event(EVENT_REFUSED, &f, "a connection of %s was closed unheard",
                  describe_stranger(uid, who));
}

static int on_timer(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        struct audit *a = userdata;
        uint64_t now = clock_boot_usec();
        bool is_more = false;

        for (size_t i = 0; i < ELEMENTSOF(a->limits); i++) {
                struct limit *l = &a->limits[i];

                if (l->n_suppressed > 0 && now - l->since_usec >= WINDOW_USEC)
                        close_limit(a, l, now);
                is_more |= l->n_suppressed > 0;
        }
        close_all_lost(a, now);
        if (is_more || a->ours.n_lost > 0 || a->strangers.n_lost > 0)
                arm(a);
        return 0;
}

int audit_new(sd_event *event, struct peers *peers, struct audit **ret) {
        _cleanup_(audit_freep) struct audit *a = calloc(1, sizeof(*a));
        int r;

        if (!a)
                return -ENOMEM;
        a->peers = peers;
        a->ours.max = AUDIT_ALL_MAX;
        a->strangers.max = AUDIT_STRANGERS_MAX;
        r = sd_event_add_time(event, &a->timer, CLOCK_BOOTTIME, 0, USEC_PER_SEC, on_timer, a);
        if (r >= 0)
                r = sd_event_source_set_enabled(a->timer, SD_EVENT_OFF);
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(a->timer, "audit"); /* for debugging only */
        *ret = TAKE_PTR(a);
        return 0;
}

struct audit *audit_free(struct audit *a) {
        if (!a)
                return NULL;
        a->ours.n = a->strangers.n = 0; /* these are the last */
        for (size_t i = 0; a->timer && i < ELEMENTSOF(a->limits); i++)
                close_limit(a, &a->limits[i], clock_boot_usec());
        close_all_lost(a, clock_boot_usec());
        (void)sd_event_source_disable_unref(a->timer); /* always NULL */
        free(a);
        return NULL;
}
