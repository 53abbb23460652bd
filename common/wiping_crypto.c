#include "common/macros.h"
#include "common/wiping.h"

#include <openssl/crypto.h>

/* OpenSSL passes the place of the call too. */
static void *crypto_malloc(size_t size, const char *file _unused_, int line _unused_) {
        return wiping_malloc(size);
}

static void *crypto_realloc(void *p, size_t size, const char *file _unused_, int line _unused_) {
        return wiping_realloc(p, size);
}

static void crypto_free(void *p, const char *file _unused_, int line _unused_) {
        wiping_free(p);
}

int wiping_install_crypto(void) {
        return CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc, crypto_free) == 1 ? 0
                                                                                         : -EBUSY;
}
