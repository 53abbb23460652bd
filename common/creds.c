#include "common/creds.h"
#include "common/secret.h"

int creds_new(struct creds **ret) {
        struct creds *c = calloc(1, sizeof(*c));

        if (!c)
                return -ENOMEM;
        *ret = c;
        return 0;
}

struct creds *creds_free(struct creds *c) {
        if (!c)
                return NULL;
        c->secret_key = secret_free(c->secret_key);
        c->session_token = secret_free(c->session_token);
        free(c);
        return NULL;
}
