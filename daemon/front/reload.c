#include "daemon/front/reload.h"
#include "common/log.h"
#include "daemon/front/config.h"

#include <stdio.h>
#include <string.h>

#define NOTICE_MAX (CONFIG_ERROR_MAX + 64)
#define OTHER_FILES                                                                                \
        "mfad.conf names other files than when mfad was started; to use them, run: "               \
        "systemctl --user restart mfad"

struct reload {
        struct config *config;          /* these are lent */
        const struct fs_places *places; /* where it is read from */
        uint16_t http_port;
        char broken[NOTICE_MAX]; /* "" for none */
        char port[NOTICE_MAX];
        bool has_other_files;
};

/* The port that was taken at the start stays; here is only said what another one takes. */
static void compare_port(struct reload *r) {
        const struct config *c = r->config;

        *r->port = '\0';
        if (!c->is_port_set || c->port == r->http_port)
                return;
        (void)snprintf(r->port, sizeof(r->port),
                       "mfad.conf says port %u, but %u is served until mfad.socket says so too "
                       "(mfad.conf(5) shows how); without systemd, until mfad is restarted",
                       c->port, r->http_port);
        log_event(EVENT_CONFIG_BROKEN, NULL, "%s", r->port);
}

static bool keep_one(char *fresh, const char *old) {
        if (strcmp(fresh, old) == 0)
                return false;
        strcpy(fresh, old); /* both are of PATH_LEN_MAX */
        return true;
}

/* A sandbox can only become narrower. */
static void keep_files(struct reload *r, struct config *fresh) {
        const struct config *old = r->config;

        r->has_other_files = keep_one(fresh->aws_config_file, old->aws_config_file);
        r->has_other_files |= keep_one(fresh->aws_credentials_file, old->aws_credentials_file);
        r->has_other_files |= keep_one(fresh->ca_bundle, old->ca_bundle);
        if (r->has_other_files)
                log_event(EVENT_CONFIG_BROKEN, NULL, OTHER_FILES);
}

int reload_new(struct config *config, const struct fs_places *places, uint16_t http_port,
               struct reload **ret) {
        struct reload *r = calloc(1, sizeof(*r));

        if (!r)
                return -ENOMEM;
        r->config = config;
        r->places = places;
        r->http_port = http_port;
        compare_port(r);
        *ret = r;
        return 0;
}

struct reload *reload_free(struct reload *r) {
        free(r);
        return NULL;
}

int reload_read(struct reload *r) {
        char error[CONFIG_ERROR_MAX];
        struct config fresh;
        int k;

        k = config_load(r->places, &fresh, error);
        if (k < 0) {
                (void)snprintf(r->broken, sizeof(r->broken), "%s; keeping what was read before",
                               error);
                log_event(EVENT_CONFIG_BROKEN, NULL, "%s", r->broken);
                return k;
        }
        *r->broken = '\0';
        keep_files(r, &fresh);
        *r->config = fresh;
        log_event(EVENT_CONFIG_READ, NULL, "read mfad.conf again");
        compare_port(r);
        return 0;
}

const char *reload_notice(const struct reload *r, size_t i) {
        const char *notices[RELOAD_NOTICES_MAX + 1] = {0};
        size_t n = 0;

        if (*r->broken)
                notices[n++] = r->broken;
        if (*r->port)
                notices[n++] = r->port;
        if (r->has_other_files)
                notices[n++] = OTHER_FILES;
        return i < n ? notices[i] : NULL;
}
