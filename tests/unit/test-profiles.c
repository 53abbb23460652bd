/* test-profiles.c - which key answers for a name, with the vault open, sealed and changed. */
#include "common/clock.h"
#include "common/macros.h"
#include "daemon/front/config.h"
#include "daemon/front/profiles.h"
#include "daemon/front/signer_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static char dir[64];
static struct config config;
static struct profiles *p;

/* the signer, in our hands */
static enum vault_state vault;
static struct signer_key keys[2];
static size_t n_keys;

enum vault_state signer_client_vault(const struct signer_client *c _unused_) {
        return vault;
}

size_t signer_client_n_keys(const struct signer_client *c _unused_) {
        return vault == VAULT_OPEN ? n_keys : 0;
}

const struct signer_key *signer_client_key(const struct signer_client *c _unused_, size_t i) {
        assert_true(i < n_keys);
        return &keys[i];
}

static void write_config(const char *text) {
        FILE *f = fopen(config.aws_config_file, "w");

        assert_non_null(f);
        assert_true(fputs(text, f) >= 0);
        assert_int_equal(fclose(f), 0);
}

static void open_vault(const char *first, const char *second) {
        vault = VAULT_OPEN;
        n_keys = (first ? 1 : 0) + (second ? 1 : 0);
        (void)snprintf(keys[0].name, sizeof(keys[0].name), "%s", first ? first : "");
        (void)snprintf(keys[1].name, sizeof(keys[1].name), "%s", second ? second : "");
}

static int setup(void **state _unused_) {
        strcpy(dir, "/tmp/mfad-test-XXXXXX");
        if (!mkdtemp(dir))
                return -1;
        memset(&config, 0, sizeof(config));
        (void)snprintf(config.aws_config_file, PATH_LEN_MAX, "%s/config", dir);
        (void)snprintf(config.aws_credentials_file, PATH_LEN_MAX, "%s/credentials", dir);
        vault = VAULT_SEALED;
        clock_freeze(1000 * USEC_PER_SEC, 1800000000);
        return profiles_new(&config, NULL, &p);
}

static int teardown(void **state _unused_) {
        char command[128];

        p = profiles_free(p);
        (void)snprintf(command, sizeof(command), "rm -rf %s", dir);
        return system(command);
}

static void reload(const char *text) {
        write_config(text);
        profiles_refresh(p);
}

static void resolves(const char *name, const char *key) {
        struct aws_profile found = {0};

        assert_int_equal(profiles_resolve(p, name, &found), PROFILE_IS_KEY);
        assert_string_equal(found.name, key);
}

static void is_unknown(const char *name) {
        struct aws_profile found;

        assert_int_equal(profiles_resolve(p, name, &found), PROFILE_UNKNOWN);
}

static void test_names(void **state _unused_) {
        struct aws_profile found;

        reload("[default]\nregion = eu-west-1\n[profile work]\nregion = us-west-2\n"
               "[profile admin]\nrole_arn = arn:aws:iam::123456789012:role/x\nsource_profile = work\n");
        resolves("work", "work"); /* sealed: what stands in the files counts */
        is_unknown("vault-only");
        open_vault("work", "vault-only");
        resolves("work", "work");
        resolves("vault-only", "vault-only");
        is_unknown("default"); /* no such key */
        is_unknown("nobody");
        assert_int_equal(profiles_resolve(p, "admin", &found), PROFILE_IS_ROLE);
        assert_int_equal(profiles_resolve(p, "work", &found), PROFILE_IS_KEY);
        assert_string_equal(found.region, "us-west-2");
}

static void test_default(void **state _unused_) {
        is_unknown(NULL);
        open_vault("only", NULL);
        resolves(NULL, "only");
        resolves("", "only");
        open_vault("only", "more");
        is_unknown(NULL);
        open_vault("more", "default");
        resolves(NULL, "default");
        strcpy(config.default_profile, "more");
        resolves(NULL, "more");
}

static void test_default_of_the_files_goes_before_the_only_key(void **state _unused_) {
        reload("[default]\nregion = eu-west-1\n");
        resolves(NULL, "default");
        open_vault("only", NULL);
        is_unknown(NULL);
}

/* A session is still served when the vault is sealed meanwhile. */
static void test_sealing_forgets_no_names(void **state _unused_) {
        open_vault("only", NULL);
        resolves(NULL, "only");
        vault = VAULT_SEALED;
        resolves(NULL, "only");
        resolves("only", "only");
        open_vault("other", NULL); /* a key that was removed is gone */
        is_unknown("only");
        vault = VAULT_SEALED;
        is_unknown("only");
}

static void test_changed_files_are_read_again(void **state _unused_) {
        reload("[profile a]\nregion = us-east-1\n");
        resolves("a", "a");
        write_config("[profile bb]\nregion = us-east-1\n");
        resolves("a", "a"); /* looked less than a second ago */
        clock_advance(USEC_PER_SEC);
        is_unknown("a");
        resolves("bb", "bb");
}

static void test_broken_file_keeps_what_was_read(void **state _unused_) {
        reload("[profile a]\nregion = us-east-1\n");
        reload("[profile a\n");
        resolves("a", "a");
        reload("[profile c]\nregion = us-east-1\n");
        resolves("c", "c");
}

#define WORLD(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                WORLD(test_names),
                WORLD(test_default),
                WORLD(test_default_of_the_files_goes_before_the_only_key),
                WORLD(test_sealing_forgets_no_names),
                WORLD(test_changed_files_are_read_again),
                WORLD(test_broken_file_keeps_what_was_read),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
