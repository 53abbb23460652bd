/* profiles-tool.c - lets the differential tests ask what a profile stands for, with a vault that they choose.
 * Owns:  nothing.
 * Calls: profiles.h, aws_endpoint.h, jansson.
 * Limit: SIGNER_KEYS_MAX keys.
 * Usage: profiles-tool CONFIG CREDENTIALS [KEY ...]        one JSON object a profile */
#include "common/log.h"
#include "daemon/front/config.h"
#include "daemon/front/profiles.h"
#include "daemon/front/signer_client.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* the signer, with an open vault */
static struct signer_key keys[SIGNER_KEYS_MAX];
static size_t n_keys;

enum vault_state signer_client_vault(const struct signer_client *c _unused_) {
        return VAULT_OPEN;
}

size_t signer_client_n_keys(const struct signer_client *c _unused_) {
        return n_keys;
}

const struct signer_key *signer_client_key(const struct signer_client *c _unused_, size_t i) {
        return &keys[i];
}

static void print(struct profiles *p, const char *name) {
        static const char *const kinds[] = {
                [PROFILE_KEY] = "key",         [PROFILE_DIRECT] = "direct",
                [PROFILE_ROLE] = "role",       [PROFILE_UNUSABLE] = "unusable",
                [PROFILE_UNKNOWN] = "unknown",
        };
        struct aws_endpoint sts = {0};
        struct profile_view v;
        json_t *answer;

        (void)profiles_resolve(p, name, &v); /* it is in the view, too */
        if (v.kind != PROFILE_UNUSABLE)
                (void)aws_endpoint_find(AWS_STS, &v.profile.where, &sts, NULL); /* it has been */
        answer = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "name", name, "kind",
                           kinds[v.kind], "key", v.key, "source", v.source ? v.source : "", "url",
                           sts.url, "region", sts.region, "problem", v.problem);
        if (!answer || json_dumpf(answer, stdout, JSON_COMPACT) < 0)
                abort();
        putchar('\n');
        json_decref(answer);
}

int main(int argc, char *argv[]) {
        const char *names[AWS_PROFILES_MAX];
        struct profiles *p = NULL;
        static struct config config;
        sd_event *event = NULL;
        size_t n;

        if (argc < 3 || (size_t)argc - 3 > SIGNER_KEYS_MAX)
                return 2;
        (void)snprintf(config.aws_config_file, sizeof(config.aws_config_file), "%s", argv[1]);
        (void)snprintf(config.aws_credentials_file, sizeof(config.aws_credentials_file), "%s",
                       argv[2]);
        for (int i = 3; i < argc; i++)
                (void)snprintf(keys[n_keys++].name, sizeof(keys[0].name), "%s", argv[i]);
        if (sd_event_new(&event) < 0 || profiles_new(event, &config, NULL, &p) < 0)
                return 1;
        n = profiles_list(p, NULL, names, AWS_PROFILES_MAX);
        for (size_t i = 0; i < n; i++)
                print(p, names[i]);
        (void)profiles_free(p); /* always NULL */
        (void)sd_event_unref(event);
        return 0;
}
