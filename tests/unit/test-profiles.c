/* test-profiles.c - what a name stands for: keys, roles, chains and circles, with the vault open and sealed. */
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
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char dir[64];
static struct config config;
static struct profiles *p;
static sd_event *event;

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
        return sd_event_new(&event) < 0 ? -1 : profiles_new(event, &config, NULL, &p);
}

static int teardown(void **state _unused_) {
        char command[128];

        p = profiles_free(p);
        event = sd_event_unref(event);
        (void)snprintf(command, sizeof(command), "rm -rf %s", dir);
        return system(command);
}

static void reload(const char *text) {
        write_config(text);
        profiles_refresh(p);
}

static void resolves(const char *name, const char *key) {
        struct profile_view found;

        assert_int_equal(profiles_resolve(p, name, &found), PROFILE_KEY);
        assert_string_equal(found.session, key);
        assert_string_equal(found.key, key);
}

static void is_unknown(const char *name) {
        struct profile_view found;

        assert_int_equal(profiles_resolve(p, name, &found), PROFILE_UNKNOWN);
}

static void test_names(void **state _unused_) {
        struct profile_view found;

        reload("[default]\nregion = eu-west-1\n[profile work]\nregion = us-west-2\n"
               "[profile admin]\nrole_arn = arn:aws:iam::123456789012:role/x\nsource_profile = work\n");
        resolves("work", "work"); /* sealed: what stands in the files counts */
        is_unknown("vault-only");
        open_vault("work", "vault-only");
        resolves("work", "work");
        resolves("vault-only", "vault-only");
        is_unknown("default"); /* no such key */
        is_unknown("nobody");
        assert_int_equal(profiles_resolve(p, "admin", &found), PROFILE_ROLE);
        assert_int_equal(profiles_resolve(p, "work", &found), PROFILE_KEY);
        assert_string_equal(found.profile.where.region, "us-west-2");
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

/* A [default] is meant when it is a role, or a key; one that only sets a region, as `aws configure` leaves
 * it, stands in nobody's way. */
static void test_default_of_the_files(void **state _unused_) {
        static const char role[] = "[default]\nrole_arn = arn:aws:iam::123456789012:role/x\n"
                                   "source_profile = only\n";
        struct profile_view found;

        reload("[default]\nregion = eu-west-1\n");
        resolves(NULL, "default"); /* sealed: it may be a key */
        open_vault("only", NULL);
        resolves(NULL, "only");
        resolves("", "only");
        is_unknown("default");
        open_vault("only", "more");
        is_unknown(NULL);
        open_vault("default", "more");
        resolves(NULL, "default");
        open_vault("only", NULL);
        reload(role);
        assert_int_equal(profiles_resolve(p, NULL, &found), PROFILE_ROLE);
        assert_string_equal(found.profile.name, "default");
        reload("[default]\nrole_arn = arn:aws:iam::123456789012:role/x\n");
        assert_int_equal(profiles_resolve(p, NULL, &found),
                         PROFILE_UNUSABLE); /* and not passed over */
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

/* Runs the event loop until @name is @kind, for at most five seconds. */
static void wait_for(const char *name, enum profile_kind kind) {
        struct profile_view found;

        for (unsigned i = 0; i < 500; i++) {
                if (profiles_resolve(p, name, &found) == kind)
                        return;
                assert_true(sd_event_run(event, 10 * USEC_PER_MSEC) >= 0);
        }
        fail_msg("%s is not %d", name, kind);
}

static unsigned n_told;

static void on_read(void *userdata) {
        assert_ptr_equal(userdata, &n_told);
        n_told++;
}

static void test_changed_files_are_read_again(void **state _unused_) {
        uint64_t before;

        reload("[profile a]\nregion = us-east-1\n");
        before = profiles_generation(p);
        n_told = 0;
        profiles_watch(p, on_read, &n_told);
        write_config("[profile bb]\nregion = us-east-1\n");
        resolves("a", "a"); /* what was resolved is good until the loop turns */
        wait_for("bb", PROFILE_KEY);
        is_unknown("a");
        assert_int_equal(n_told, 1);
        assert_true(profiles_generation(p) > before);
}

/* Somebody's editor writes a new file and renames it; somebody's dotfiles are links. */
static void test_replaced_and_linked_files_are_read_again(void **state _unused_) {
        char target[PATH_LEN_MAX], fresh[PATH_LEN_MAX];

        (void)snprintf(target, sizeof(target), "%s/target", dir);
        (void)snprintf(fresh, sizeof(fresh), "%s/fresh", dir);
        assert_int_equal(mkdir(target, 0700), 0);
        (void)snprintf(target, sizeof(target), "%s/target/config", dir);
        assert_int_equal(symlink(target, config.aws_config_file), 0);
        wait_for("a", PROFILE_UNKNOWN);
        write_config("[profile a]\nregion = us-east-1\n"); /* through the link */
        wait_for("a", PROFILE_KEY);
        write_config("[profile b]\nregion = us-east-1\n");
        wait_for("b", PROFILE_KEY);

        assert_int_equal(unlink(config.aws_config_file), 0);
        wait_for("b", PROFILE_UNKNOWN);
        write_config("[profile c]\nregion = us-east-1\n");
        assert_int_equal(rename(config.aws_config_file, fresh), 0);
        assert_int_equal(rename(fresh, config.aws_config_file), 0);
        wait_for("c", PROFILE_KEY);
}

static void test_broken_file_keeps_what_was_read(void **state _unused_) {
        reload("[profile a]\nregion = us-east-1\n");
        assert_null(profiles_notice(p));
        reload("[profile a]\nregion = x\n[profile a\n");
        resolves("a", "a");
        assert_non_null(profiles_notice(p));
        assert_non_null(strstr(profiles_notice(p), "/config\" line 3: "));
        assert_non_null(strstr(profiles_notice(p), "keeping what was read before"));
        reload("[profile c]\nregion = us-east-1\n");
        resolves("c", "c");
        assert_null(profiles_notice(p));
}

static const char roles[] =
        "[default]\nregion = eu-west-1\nca_bundle = /ca\n"
        "[profile one]\nrole_arn = arn:aws:iam::123456789012:role/1\n"
        "source_profile = default\nmfa_serial = arn:aws:iam::123456789012:mfa/a\n"
        "[profile two]\nrole_arn = arn:aws:iam::123456789012:role/2\n"
        "source_profile = one\nregion = eu-west-2\nduration_seconds = 7200\n"
        "[profile three]\nrole_arn = arn:aws:iam::123456789012:role/3\n"
        "source_profile = two\n"
        "[profile direct]\nrole_arn = arn:aws:iam::123456789012:role/d\n"
        "source_profile = default\nmfad_direct_mfa = true\n"
        "duration_seconds = 43200\n"
        "[profile on-direct]\nrole_arn = arn:aws:iam::123456789012:role/od\n"
        "source_profile = direct\n"
        "[profile self]\nrole_arn = arn:aws:iam::123456789012:role/s\n"
        "source_profile = self\n"
        "[profile on-self]\nrole_arn = arn:aws:iam::123456789012:role/os\n"
        "source_profile = self\n";

static void test_roles(void **state _unused_) {
        static const struct {
                const char *name;
                enum profile_kind kind;
                const char *session, *key, *source, *region;
                bool is_shortened;
        } rows[] = {
                {"one", PROFILE_ROLE, "default", "default", "", "eu-west-1", false},
                {"two", PROFILE_ROLE, "default", "default", "one", "eu-west-2", true},
                {"three", PROFILE_ROLE, "default", "default", "two", "eu-west-2", false},
                {"direct", PROFILE_DIRECT, "direct", "default", "", "eu-west-1", false},
                {"on-direct", PROFILE_ROLE, "direct", "default", "", "eu-west-1", false},
                {"self", PROFILE_ROLE, "self", "self", "", "", false},
                {"on-self", PROFILE_ROLE, "self", "self", "", "", false},
        };

        reload(roles);
        open_vault("default", "self");
        for (int sealed = 0; sealed < 2; sealed++) {
                for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                        struct profile_view v;

                        assert_int_equal(profiles_resolve(p, rows[i].name, &v), rows[i].kind);
                        assert_string_equal(v.profile.name, rows[i].name);
                        assert_string_equal(v.session, rows[i].session);
                        assert_string_equal(v.key, rows[i].key);
                        assert_string_equal(v.source, rows[i].source);
                        assert_string_equal(v.profile.where.region, rows[i].region);
                        assert_int_equal(v.is_shortened, rows[i].is_shortened);
                        assert_string_equal(v.profile.ca_bundle, *rows[i].region ? "/ca" : "");
                }
                vault = VAULT_SEALED;
        }
}

/* Where a role is bought that does not say it itself. */
static void test_inherited_where(void **state _unused_) {
        static const char text[] =
                "[default]\nregion = eu-west-1\nca_bundle = /ca\nmfad_proxy = http://proxy:1\n"
                "endpoint_url = https://sts.example\nmfad_signin_url = https://signin.example\n"
                "[profile plain]\nrole_arn = arn:aws:iam::123456789012:role/x\n"
                "source_profile = default\nuse_dualstack_endpoint = false\n"
                "[profile own]\nrole_arn = arn:aws:iam::123456789012:role/x\n"
                "source_profile = default\nendpoint_url = https://own.example\n"
                "[profile on-own]\nrole_arn = arn:aws:iam::123456789012:role/x\n"
                "source_profile = own\n"
                "[profile ignores]\nrole_arn = arn:aws:iam::123456789012:role/x\n"
                "source_profile = default\nignore_configured_endpoint_urls = true\n"
                "[profile on-ignores]\nrole_arn = arn:aws:iam::123456789012:role/x\n"
                "source_profile = ignores\n"
                "[profile fips]\nrole_arn = arn:aws:iam::123456789012:role/x\n"
                "source_profile = default\nuse_fips_endpoint = true\n"
                "[profile on-fips]\nrole_arn = arn:aws:iam::123456789012:role/x\n"
                "source_profile = fips\n"
                "[profile dualstack]\nrole_arn = arn:aws:iam::123456789012:role/x\n"
                "source_profile = default\nuse_dualstack_endpoint = true\n";
        static const struct {
                const char *name, *sts_url, *signin_url;
        } rows[] = {
                {"plain", "https://sts.example", "https://signin.example"},
                {"own", "https://own.example", "https://signin.example"},
                {"on-own", "https://own.example", "https://signin.example"},
                /* what says itself that it calls AWS, and what is assumed from that */
                {"ignores", "", ""},
                {"on-ignores", "", ""},
                {"fips", "", ""},
                {"on-fips", "", ""},
                {"dualstack", "", ""},
        };

        reload(text);
        open_vault("default", NULL);
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                struct profile_view v;

                assert_int_equal(profiles_resolve(p, rows[i].name, &v), PROFILE_ROLE);
                assert_string_equal(v.profile.where.sts_url, rows[i].sts_url);
                assert_string_equal(v.profile.where.iam_url, rows[i].sts_url);
                assert_string_equal(v.profile.where.signin_url, rows[i].signin_url);
                assert_string_equal(v.profile.where.region, "eu-west-1");
                assert_string_equal(v.profile.ca_bundle, "/ca");
                assert_string_equal(v.profile.proxy, "http://proxy:1");
        }
}

static void test_unusable(void **state _unused_) {
        static const char text[] =
                "[profile a]\nrole_arn = arn:aws:iam::123456789012:role/a\n"
                "source_profile = b\n"
                "[profile b]\nrole_arn = arn:aws:iam::123456789012:role/b\n"
                "source_profile = c\n"
                "[profile c]\nrole_arn = arn:aws:iam::123456789012:role/c\n"
                "source_profile = b\n"
                "[profile nowhere]\nrole_arn = arn:aws:iam::123456789012:role/n\n"
                "source_profile = nobody\n"
                "[profile plain]\nregion = us-east-1\n"
                "[profile no-key]\nrole_arn = arn:aws:iam::123456789012:role/k\n"
                "source_profile = plain\n"
                "[profile ec2]\nrole_arn = arn:aws:iam::123456789012:role/e\n"
                "credential_source = Ec2InstanceMetadata\n"
                "[profile on-ec2]\nrole_arn = arn:aws:iam::123456789012:role/oe\n"
                "source_profile = ec2\n"
                "[profile deep]\nrole_arn = arn:aws:iam::123456789012:role/d\n"
                "source_profile = role\nmfad_direct_mfa = true\n"
                "[profile role]\nrole_arn = arn:aws:iam::123456789012:role/r\n"
                "source_profile = default\n"
                "[profile fips]\nrole_arn = arn:aws:iam::123456789012:role/f\n"
                "source_profile = default\nuse_fips_endpoint = true\n"
                "endpoint_url = https://sts.example.com\n"
                "[profile on-fips]\nrole_arn = arn:aws:iam::123456789012:role/of\n"
                "source_profile = fips\n"
                "[profile key]\nrole_arn = arn:aws:iam::123456789012:role/r\n"
                "source_profile = default\nmfad_direct_mfa = true\n";
        static const struct {
                const char *name, *problem;
        } rows[] = {
                {"a", "source_profile goes in a circle: b -> c -> b"},
                {"b", "source_profile goes in a circle: b -> c -> b"},
                {"c", "source_profile goes in a circle: b -> c -> b"},
                {"nowhere", "source_profile \"nobody\" of profile \"nowhere\" does not exist"},
                {"no-key",
                 "source_profile \"plain\" of profile \"no-key\" has no key in the vault"},
                {"ec2", "Ec2InstanceMetadata"},
                {"on-ec2", "its source \"ec2\": "},
                {"deep", "mfad_direct_mfa needs a source_profile that has a key"},
                {"fips", "FIPS"},
                {"on-fips", "its source \"fips\": FIPS"},
                {"key", "mfad_direct_mfa needs a profile name that no key has"},
        };

        reload(text);
        open_vault("default", "key");
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                struct profile_view v;

                assert_int_equal(profiles_resolve(p, rows[i].name, &v), PROFILE_UNUSABLE);
                if (!strstr(v.problem, rows[i].problem))
                        fail_msg("%s: %s", rows[i].name, v.problem);
        }
}

static void test_long_chain(void **state _unused_) {
        static char text[256 * 1024];
        struct profile_view v;
        size_t n = 0;

        for (unsigned i = 0; i < 1000; i++) {
                char source[16] = "default";

                if (i < 999)
                        (void)snprintf(source, sizeof(source), "r%u", i + 1);
                n += (size_t)snprintf(
                        text + n, sizeof(text) - n,
                        "[profile r%u]\nrole_arn = arn:aws:iam::123456789012:role/%u\n"
                        "source_profile = %s\n",
                        i, i, source);
        }
        reload(text);
        open_vault("default", NULL);
        assert_int_equal(profiles_resolve(p, "r0", &v), PROFILE_ROLE);
        assert_string_equal(v.session, "default");
        assert_string_equal(v.source, "r1");
}

static void test_mfa_serial(void **state _unused_) {
        reload(roles);
        open_vault("default", "self");
        /* the key's profile names none, but a role that is assumed from it does */
        assert_string_equal(profiles_mfa_serial(p, "default"), "arn:aws:iam::123456789012:mfa/a");
        assert_string_equal(profiles_mfa_serial(p, "self"), "");
        reload("[default]\nmfa_serial = arn:aws:iam::123456789012:mfa/own\n");
        assert_string_equal(profiles_mfa_serial(p, "default"), "arn:aws:iam::123456789012:mfa/own");
}

static void test_arn(void **state _unused_) {
        static const char arn[] = "arn:aws:iam::123456789012:role/x";
        struct profile_view v;
        struct aws_role role;

        reload(roles);
        open_vault("default", NULL);
        strcpy(config.default_profile, "two"); /* from the session that its chain starts from */
        assert_int_equal(profiles_resolve_arn(p, arn, &v), PROFILE_ROLE);
        assert_true(v.is_arn);
        assert_string_equal(v.session, "default");
        assert_string_equal(v.source, "");
        assert_string_equal(v.profile.where.region, "eu-west-2");
        profiles_fill_role(p, &v, &role);
        assert_string_equal(role.arn, arn);
        assert_memory_equal(role.session_name, "mfad-", 5);
        assert_string_equal(role.external_id, "");
        strcpy(config.default_profile, "nobody");
        assert_int_equal(profiles_resolve_arn(p, arn, &v), PROFILE_UNKNOWN);
}

static void test_list(void **state _unused_) {
        const char *names[3];

        reload(roles);
        open_vault("default", "vault-only");
        assert_int_equal(profiles_list(p, NULL, names, 3), 3);
        assert_string_equal(names[0], "default");
        assert_string_equal(names[1], "direct");
        assert_string_equal(names[2], "on-direct");
        assert_int_equal(profiles_list(p, "self", names, 3), 3);
        assert_string_equal(names[0], "three");
        assert_string_equal(names[2], "vault-only");
        assert_int_equal(profiles_list(p, "vault-only", names, 3), 0);
}

#define WORLD(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                WORLD(test_names),
                WORLD(test_default),
                WORLD(test_default_of_the_files),
                WORLD(test_sealing_forgets_no_names),
                WORLD(test_changed_files_are_read_again),
                WORLD(test_replaced_and_linked_files_are_read_again),
                WORLD(test_broken_file_keeps_what_was_read),
                WORLD(test_roles),
                WORLD(test_inherited_where),
                WORLD(test_unusable),
                WORLD(test_long_chain),
                WORLD(test_mfa_serial),
                WORLD(test_arn),
                WORLD(test_list),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
