#include "daemon/front/role_mark.h"
#include "common/macros.h"
#include "daemon/front/profiles.h"

#include <openssl/evp.h>
#include <string.h>

static void evp_freep(EVP_MD_CTX **c) {
        EVP_MD_CTX_free(*c);
}

int role_mark_make(const struct profile_view *view, struct role_mark *ret) {
        _cleanup_(evp_freep) EVP_MD_CTX *c = EVP_MD_CTX_new();
        const struct aws_profile *p = &view->profile;
        /* as they are used, inherited ones too; each with its NUL, so that none runs into the next */
        const char *const texts[] = {
                view->session,      view->key,
                view->source,       p->where.region,
                p->where.sts_url,   p->ca_bundle,
                p->proxy,           p->role_arn,
                p->external_id,     p->role_session_name,
                p->source_identity, p->session_policy,
                p->policy_arns,     p->session_tags,
                p->transitive_tags,
        };
        const uint32_t numbers[] = {p->duration_sec, p->where.use_fips, p->where.use_dualstack,
                                    p->where.use_global};

        if (!c || EVP_DigestInit_ex(c, EVP_sha256(), NULL) != 1)
                return -EIO;
        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                if (EVP_DigestUpdate(c, texts[i], strlen(texts[i]) + 1) != 1)
                        return -EIO;
        if (EVP_DigestUpdate(c, numbers, sizeof(numbers)) != 1 ||
            EVP_DigestFinal_ex(c, ret->sha256, NULL) != 1)
                return -EIO;
        return 0;
}
