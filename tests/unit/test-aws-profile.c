/* test-aws-profile.c - what we take from the AWS files, and what we say about values that make no sense.
 * Owns:  a temporary folder with the two files.
 * Calls: aws_profile.h, aws_request.h, secret.h.
 * Limit: none. botocore judges the reading in tests/integration/test_config_botocore.py. */
#include "common/aws_config_read.h"
#include "common/aws_profile.h"
#include "common/aws_request.h"
#include "common/buf.h"
#include "common/secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static char folder[] = "/tmp/test-aws-profile-XXXXXX";
static char config_path[PATH_LEN_MAX], credentials_path[PATH_LEN_MAX];

static void write_file(const char *path, const char *text) {
        FILE *f = fopen(path, "w");

        assert_non_null(f);
        assert_int_equal(fputs(text, f) >= 0, 1);
        assert_int_equal(fclose(f), 0);
}

static struct aws_config *load(const char *config, const char *credentials, bool with_keys) {
        struct aws_config_error error;
        struct aws_config *c;

        write_file(config_path, config);
        write_file(credentials_path, credentials);
        assert_int_equal(aws_config_load(config_path, credentials_path, with_keys, &c, &error), 0);
        return c;
}

static const struct aws_profile *find(const struct aws_config *c, const char *name) {
        const struct aws_profile *p = aws_config_find(c, name);

        assert_non_null(p);
        return p;
}

static void test_profiles(void **state) {
        _cleanup_(aws_config_freep) struct aws_config *c =
                load("[default]\nregion = eu-central-1\n"
                     "[profile work]\nregion = eu-west-1\nmfa_serial = serial-work\n"
                     "aws_mfa_device = other-serial\nca_bundle = ~/ca.pem\n"
                     "[profile admin]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = work\n",
                     "[work]\nregion = us-east-1\naws_access_key_id = AKIAWORK\n"
                     "aws_secret_access_key = secret\n"
                     "[old-long-term]\naws_access_key_id = AKIAOLD\naws_secret_access_key = old\n"
                     "aws_mfa_device = serial-old\n"
                     "[old]\naws_access_key_id = ASIAOLD\naws_secret_access_key = x\n"
                     "aws_session_token = y\n",
                     true);
        struct aws_plain_key key;
        const struct aws_profile *p;
        static const char *const names[] = {"default", "work", "admin", "old"};

        (void)state;
        assert_int_equal(aws_config_n_profiles(c), ELEMENTSOF(names));
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                assert_string_equal(aws_config_at(c, i)->name, names[i]);

        p = find(c, "work");
        assert_string_equal(p->name, "work");
        assert_string_equal(p->where.region, "us-east-1"); /* the credentials file comes first */
        assert_string_equal(p->mfa_serial, "serial-work");
        assert_string_equal(p->ca_bundle, "/home/somebody/ca.pem");
        assert_true(p->has_key && !p->is_role);
        p = find(c, "admin");
        assert_true(p->is_role && !p->has_key);
        p = find(c, "old");
        assert_true(p->has_key);
        assert_string_equal(p->mfa_serial, "serial-old");
        assert_null(aws_config_find(c, "nobody"));

        assert_int_equal(aws_config_plain_key(c, "old", &key), 0);
        assert_string_equal(key.section, "old-long-term");
        assert_string_equal(key.access_key_id, "AKIAOLD");
        assert_string_equal(secret_reveal(key.secret_key), "old");
        assert_int_equal(aws_config_plain_key(c, "default", &key), -ENOENT);
}

static void test_short_lived_keys_are_not_keys(void **state) {
        _cleanup_(aws_config_freep) struct aws_config *c = load(
                "[default]\naws_access_key_id = AKIACONFIG\naws_secret_access_key = x\n",
                "[a]\naws_access_key_id = ASIA1\naws_secret_access_key = x\naws_security_token=t\n"
                "[b]\naws_access_key_id = AKIA1\n[c]\naws_secret_access_key = x\n"
                "[d]\naws_access_key_id = AKIA1\naws_secret_access_key = two words\n",
                true);
        struct aws_plain_key key;

        (void)state;
        assert_int_equal(aws_config_n_profiles(c), 5);
        for (size_t i = 0; i < 5; i++) {
                const struct aws_profile *p = aws_config_at(c, i);

                assert_int_equal(aws_config_plain_key(c, p->name, &key), -ENOENT);
                assert_false(p->has_key);
        }
}

static void test_daemon_keeps_no_keys(void **state) {
        _cleanup_(aws_config_freep) struct aws_config *c =
                load("", "[a]\naws_access_key_id = AKIA1\naws_secret_access_key = secret\n", false);
        struct aws_plain_key key;

        (void)state;
        assert_true(find(c, "a")->has_key);
        assert_int_equal(aws_config_plain_key(c, "a", &key), -ENOENT);
}

static void test_errors_name_file_and_line(void **state) {
        struct aws_config_error error;
        struct aws_config *c;

        (void)state;
        write_file(config_path, "[default]\nregion = x\n");
        write_file(credentials_path, "[a]\n\noops\n");
        assert_int_equal(aws_config_load(config_path, credentials_path, false, &c, &error),
                         -EINVAL);
        assert_string_equal(error.file, credentials_path);
        assert_int_equal(error.line, 3);

        write_file(config_path, "[default]\ns3 =\n  no equals\n");
        assert_int_equal(aws_config_load(config_path, credentials_path, false, &c, &error),
                         -EINVAL);
        assert_string_equal(error.file, config_path);
        assert_int_equal(error.line, 2);

        assert_true(aws_config_load(folder, credentials_path, false, &c, &error) < 0);
        assert_int_equal(error.line, 0);
        assert_string_equal(error.file, folder);
}

static void test_missing_files_are_empty(void **state) {
        struct aws_config_error error;
        _cleanup_(aws_config_freep) struct aws_config *c = NULL;

        (void)state;
        assert_int_equal(aws_config_load("/nonexistent/a", "/nonexistent/b", false, &c, &error), 0);
        assert_int_equal(aws_config_n_profiles(c), 0);
}

static void test_role(void **state) {
        _cleanup_(aws_config_freep) struct aws_config *c =
                load("[profile r]\nrole_arn = arn:aws:iam::123456789012:role/r\n"
                     "source_profile = work here\nmfa_serial = arn:aws:iam::1:mfa/a\n"
                     "external_id = ext-1\nduration_seconds = 43200\nrole_session_name = a.b@c\n"
                     "mfad_direct_mfa = True\nmfad_source_identity = me\n"
                     "mfad_session_policy = {\"Version\": \"2012-10-17\",\n   \"Statement\": []}\n"
                     "mfad_policy_arns = arn:aws:iam::aws:policy/A ,\n  arn:aws:iam::aws:policy/B\n"
                     "mfad_session_tags = a = 1, b=x y ,c=\nmfad_transitive_tags= a,  c\n"
                     "mfad_proxy = http://proxy:3128\nmfad_signin_url = https://signin.example\n"
                     "use_fips_endpoint = TRUE\nuse_dualstack_endpoint = yes\n"
                     "sts_regional_endpoints = legacy\n",
                     "[r]\nregion = eu-west-1\n", false);
        const struct aws_profile *p = find(c, "r");

        (void)state;
        assert_string_equal(p->problem, "");
        assert_true(p->is_role && p->is_direct_mfa && !p->has_key);
        assert_int_equal(p->duration_sec, 43200);
        assert_string_equal(p->role_arn, "arn:aws:iam::123456789012:role/r");
        assert_string_equal(p->source_profile, "work here");
        assert_string_equal(p->mfa_serial, "arn:aws:iam::1:mfa/a");
        assert_string_equal(p->external_id, "ext-1");
        assert_string_equal(p->role_session_name, "a.b@c");
        assert_string_equal(p->source_identity, "me");
        assert_string_equal(p->session_policy, "{\"Version\": \"2012-10-17\",\n\"Statement\": []}");
        assert_string_equal(p->policy_arns, "arn:aws:iam::aws:policy/A,arn:aws:iam::aws:policy/B");
        assert_string_equal(p->session_tags, "a=1,b=x y,c=");
        assert_string_equal(p->transitive_tags, "a,c");
        assert_string_equal(p->proxy, "http://proxy:3128");
        assert_string_equal(p->where.signin_url, "https://signin.example");
        assert_string_equal(p->where.region, "eu-west-1");
        assert_true(p->where.use_fips && p->where.use_global);
        assert_false(p->where.use_dualstack); /* only "true" is */
}

/* What AssumeRole would be asked for; what we find no fault with, the builder of the request must not. */
static void assert_legal(const struct aws_profile *p) {
        static struct aws_role role;
        const struct {
                char *to;
                size_t size;
                const char *from;
        } texts[] = {
                {role.arn, sizeof(role.arn), p->role_arn},
                {role.session_name, sizeof(role.session_name),
                 *p->role_session_name ? p->role_session_name : "mfad"},
                {role.external_id, sizeof(role.external_id), p->external_id},
                {role.source_identity, sizeof(role.source_identity), p->source_identity},
                {role.policy, sizeof(role.policy), p->session_policy},
                {role.policy_arns, sizeof(role.policy_arns), p->policy_arns},
                {role.tags, sizeof(role.tags), p->session_tags},
                {role.transitive_tags, sizeof(role.transitive_tags), p->transitive_tags},
        };
        const char *why = "";

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                int n = snprintf(texts[i].to, texts[i].size, "%s", texts[i].from);

                assert_true(n >= 0 && (size_t)n < texts[i].size);
        }
        if (!aws_role_is_legal(&role, &why))
                fail_msg("%s", why);
}

#define ROLE "role_arn = arn:aws:iam::123456789012:role/r\nsource_profile = s\n"

static const struct {
        const char *settings; /* from line 2 on */
        const char *problem;  /* NULL for none; else a part of it */
} values[] = {
        {ROLE, NULL},
        {"region = eu-west-1\n", NULL},
        {"region = Europe\n", "line 2: region is no region"},
        {"region = 012345678901234567890123456789012\n", "line 2: region"},
        {"region =\n  a = b\n", NULL},
        {"\nmfa_serial = short\n", "line 3: mfa_serial is not"},
        {"mfa_serial = short\naws_mfa_device = long-enough\n", "line 2: mfa_serial"},
        {"mfa_serial =\naws_mfa_device = a\n", "line 3: aws_mfa_device is not"},
        {"endpoint_url = ftp://x\n", "line 2: endpoint_url is not"},
        {"endpoint_url = https://x/path\n", "line 2: endpoint_url is not"},
        {"endpoint_url = https://x/path\nignore_configured_endpoint_urls = True\n", NULL},
        {"ca_bundle = ca.pem\n", "line 2: ca_bundle is no absolute path"},
        {"ca_bundle = ~other/ca.pem\n", "line 2: ca_bundle is no absolute path"},
        {"ca_bundle = /a b/ca.pem\n", NULL},
        {"mfad_proxy = proxy:3128\n", "line 2: mfad_proxy is not"},
        {"mfad_signin_url = http://remote\n", "line 2: mfad_signin_url is not"},
        {"sts_regional_endpoints = Regional\n", "line 2: sts_regional_endpoints is"},
        {"services = gone\n", "line 2: there is no section [services gone]"},
        {"services = gone\nignore_configured_endpoint_urls = true\n", NULL},

        /* where a role's credentials come from */
        {"role_arn = arn:aws:iam::1:role/r\n", "line 2: role_arn without source_profile"},
        {"role_arn = r\nsource_profile = s\n", "line 2: role_arn is no ARN"},
        {"role_arn = arn:aws:iam::1:role/r\ncredential_source = Ec2InstanceMetadata\n",
         "line 3: credential_source = Ec2InstanceMetadata: mfad serves roles from keys"},
        {"role_arn = arn:aws:iam::1:role/r\ncredential_source = Environment\n",
         "line 3: credential_source = Environment: "},
        {"role_arn = arn:aws:iam::1:role/r\ncredential_source = EcsContainer\n",
         "line 3: credential_source = EcsContainer: "},
        {"role_arn = arn:aws:iam::1:role/r\ncredential_source = ecscontainer\n",
         "line 3: credential_source is none that AWS knows"},
        {"role_arn = arn:aws:iam::1:role/r\ncredential_source =\n", "line 3: credential_s"},
        {ROLE "credential_source = Environment\n", "line 4: credential_source and source_p"},
        {ROLE "web_identity_token_file = /t\n", "line 4: web_identity_token_file: mfad"},
        {ROLE "credential_process = mfactl creds --profile x\n", NULL},
        {ROLE "sso_session = x\n", NULL},
        {"role_arn = arn:aws:iam::1:role/r\ncredential_process = x\n",
         "line 2: role_arn without source_profile; mfad makes no use of credential_proce"},
        {"role_arn = arn:aws:iam::1:role/r\nsso_session = x\n", "no use of sso_session"},
        {"role_arn = arn:aws:iam::1:role/r\nsso_start_url = x\n", "no use of sso_start_u"},
        {"credential_process = mfactl creds --profile x\n", NULL},
        {"sso_session = x\nweb_identity_token_file = /t\n", NULL},
        {"credential_source = Environment\n", NULL},

        /* the rest of a role; it means nothing elsewhere */
        {"duration_seconds = abc\nexternal_id = !\nmfad_session_tags = ,\n", NULL},
        {ROLE "duration_seconds = 900\n", NULL},
        {ROLE "duration_seconds = 899\n", "line 4: duration_seconds is not a number from 900 "
                                          "to 43200"},
        {ROLE "duration_seconds = 43201\n", "line 4: duration_seconds is not a number from"},
        {ROLE "duration_seconds = abc\n", "line 4: duration_seconds is no number"},
        {ROLE "duration_seconds = 3600s\n", "line 4: duration_seconds is no number"},
        {ROLE "duration_seconds = -3600\n", "line 4: duration_seconds is no number"},
        {ROLE "duration_seconds = 4294970896\n", "line 4: duration_seconds is no number"},
        {ROLE "role_session_name = a b\n", "line 4: role_session_name is not 2 to 64"},
        {ROLE "role_session_name = a\n", "line 4: role_session_name is not 2 to 64"},
        {ROLE "external_id = a\n", "line 4: external_id is not 2 to 1224 characters long"},
        {ROLE "external_id = a b\n", "line 4: external_id has other characters"},
        {ROLE "external_id = a_+=,.@:/-9\n", NULL},
        {ROLE "mfad_source_identity = a:b\n", "line 4: mfad_source_identity is not 2 to 64"},
        {ROLE "mfad_direct_mfa = yes\n", "line 4: mfad_direct_mfa is neither true nor fa"},
        {ROLE "mfad_direct_mfa = FALSE\n", NULL},
        {ROLE "mfad_session_policy = []\n", "line 4: mfad_session_policy is no JSON object"},
        {ROLE "mfad_session_policy = {\n", "line 4: mfad_session_policy is no JSON object"},
        {ROLE "mfad_session_policy = {\x01}\n", "line 4: mfad_session_policy is no JSON"},
        {ROLE "mfad_session_policy = {\xc3\xa4\t}\n", NULL},
        {ROLE "mfad_session_policy = {\xe2\x82\xac}\n", "line 4: mfad_session_policy is no"},
        {ROLE "mfad_session_policy =\n  {\"a=\": 1}\n", NULL}, /* a nested block: nothing */
        {ROLE "mfad_policy_arns = arn:aws:iam::aws:policy/A\n", NULL},
        {ROLE "mfad_policy_arns = A\n", "line 4: mfad_policy_arns is no list of ARNs"},
        {ROLE "mfad_policy_arns = arn:aws:iam::aws:policy/A,\n", "line 4: mfad_policy_arns "},
        {ROLE "mfad_session_tags = a=1\n", NULL},
        {ROLE "mfad_session_tags = a=\n", NULL},
        {ROLE "mfad_session_tags = a = b = c\n", NULL},
        {ROLE "mfad_session_tags = Gr\xc3\xb6\xc3\x9f"
              "e=\xe5\xa4\xa7\n",
         NULL},
        {ROLE "mfad_session_tags = a\n", "line 4: mfad_session_tags is no list of KEY=VAL"},
        {ROLE "mfad_session_tags = =1\n", "line 4: mfad_session_tags is no list of KEY=VAL"},
        {ROLE "mfad_session_tags = a=1,\n", "line 4: mfad_session_tags is no list of KEY="},
        {ROLE "mfad_session_tags = a=1;b=2\n", "line 4: mfad_session_tags is no list of K"},
        {ROLE "mfad_session_tags = a=\xff\n", "line 4: mfad_session_tags is no list of KEY"},
        {ROLE "mfad_session_tags = a=1\n  2\n", "line 4: mfad_session_tags is no list of "},
        {ROLE "mfad_session_tags = a=1, b=2, A=3\n", "line 4: mfad_session_tags has a tag t"},
        {ROLE "mfad_session_tags = ab=1, abc=2\nmfad_transitive_tags = abc\n", NULL},
        {ROLE "mfad_session_tags = abc=1\nmfad_transitive_tags = ab\n",
         "line 5: mfad_transitive_tags names a tag that mfad_session_tags does not have"},
        {ROLE "mfad_transitive_tags = a\n", "line 4: mfad_transitive_tags names a tag that"},
        {ROLE "mfad_session_tags = a=1\nmfad_transitive_tags = a, a\n",
         "line 5: mfad_transitive_tags has a tag twice"},
        {ROLE "mfad_session_tags = a=1\nmfad_transitive_tags = a=1\n",
         "line 5: mfad_transitive_tags is no list"},
};

static void test_values(void **state) {
        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(values); i++) {
                _cleanup_(aws_config_freep) struct aws_config *c = NULL;
                const struct aws_profile *p;
                char text[2048];

                (void)snprintf(text, sizeof(text), "[profile p]\n%s", values[i].settings);
                c = load(text, "", false);
                p = find(c, "p");
                if (!values[i].problem ? *p->problem != '\0'
                                       : strncmp(p->problem, "line ", 5) != 0 ||
                                                 !strstr(p->problem, values[i].problem))
                        fail_msg("%s\"%s\"", text, p->problem);
                if (!values[i].problem && p->is_role)
                        assert_legal(p);
        }
}

static void test_problems_stay_at_home(void **state) {
        _cleanup_(aws_config_freep) struct aws_config *c =
                load("[default]\nregion = ???\nca_bundle = /ca.pem\n"
                     "[profile good]\nregion = eu-west-1\n",
                     "[good-long-term]\nmfa_serial = bad\n[other]\nregion = eu-west-1\n", false);

        (void)state;
        assert_string_equal(find(c, "default")->problem, "line 2: region is no region");
        assert_string_equal(find(c, "default")->where.region, "");
        assert_string_equal(find(c, "default")->ca_bundle, "/ca.pem");
        /* what is wrong stands in the other file */
        assert_string_equal(find(c, "good")->problem,
                            "credentials file, line 2: mfa_serial is not the ARN or serial "
                            "number of an MFA device");
        assert_string_equal(find(c, "good")->where.region, "eu-west-1");
        assert_string_equal(find(c, "other")->problem, "");
}

static void test_services(void **state) {
        static const struct {
                const char *services, *profile, *sts_url, *iam_url, *problem;
        } cases[] = {
                {"sts =\n  endpoint_url = https://sts.x\niam =\n  endpoint_url=https://iam.x\n",
                 "services = s\n", "https://sts.x", "https://iam.x", ""},
                {"sts =\n  endpoint_url = https://sts.x\n",
                 "services = s\nendpoint_url = https://all\n", "https://sts.x", "https://all", ""},
                {"s3 =\n  endpoint_url = https://s3.x\n",
                 "services = s\nendpoint_url = https://all\n", "https://all", "https://all", ""},
                {"sts =\n  endpoint_url = https://sts.x\n",
                 "services = s\nignore_configured_endpoint_urls = tRue\n", "", "", ""},
                {"sts =\n  other = 1\n  endpoint_url = https://a\n\n"
                 "  endpoint_url\t=\thttps://b\n  endpoint_url_x = https://x\n",
                 "services = s\n", "https://b", "", ""},
                {"sts =\n  endpoint_url =\n", "services = s\nendpoint_url = https://all\n",
                 "https://all", "https://all", ""},
                {"sts = https://sts.x\n", "services = s\n", "", "",
                 "line 2: sts is no block with an indented \"endpoint_url = ...\""},
                {"x = y\niam = \n", "services = s\n", "", "",
                 "line 3: iam is no block with an indented \"endpoint_url = ...\""},
                {"sts =\n  endpoint_url = sts.x\n", "services = s\n", "", "", "line 2: endpoint_"},
                {"sts =\n  endpoint_url = https://sts.x\n[services \"s\"]\niam =\n"
                 "  endpoint_url = https://iam.y\n",
                 "services = s\n", "", "https://iam.y", ""}, /* the last one holds, alone */
                {"", "services = s\n", "", "", "line 3: there is no section [services s]"},
                {"x = y\n", "services =\n  a = b\n", "", "", ""},
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(aws_config_freep) struct aws_config *c = NULL;
                const struct aws_profile *p;
                char text[1024];

                (void)snprintf(text, sizeof(text), "[services s]\n%s[profile p]\n%s",
                               cases[i].services, cases[i].profile);
                c = load(text, "[services s]\nsts =\n  endpoint_url = https://not.here\n", false);
                p = find(c, "p");
                assert_string_equal(p->where.sts_url, cases[i].sts_url);
                assert_string_equal(p->where.iam_url, cases[i].iam_url);
                if (strncmp(p->problem, cases[i].problem, strlen(cases[i].problem)) != 0 ||
                    (*p->problem && !*cases[i].problem))
                        fail_msg("%s\"%s\"", text, p->problem);
        }
}

/* Each list at its limit, and one beyond. */
static void test_long_lists(void **state) {
        static const struct {
                const char *key, *before, *after; /* an item is a number between these */
                unsigned n;                       /* are allowed */
                const char *problem;
        } lists[] = {
                {"mfad_policy_arns", "arn:aws:iam::aws:policy/", "", POLICY_ARNS_MAX,
                 "line 4: mfad_policy_arns names more than 10 policies"},
                {"mfad_session_tags", "k", "=v", SESSION_TAGS_MAX,
                 "line 4: mfad_session_tags has more than 50 tags"},
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(lists); i++)
                for (unsigned more = 0; more < 2; more++) {
                        _cleanup_(buf_clear) struct buf b = BUF_INIT(10000);
                        _cleanup_(aws_config_freep) struct aws_config *c = NULL;

                        assert_int_equal(buf_printf(&b, "[default]\n" ROLE "%s = ", lists[i].key),
                                         0);
                        for (unsigned k = 0; k < lists[i].n + more; k++)
                                assert_int_equal(buf_printf(&b, "%s%s%u%s", k ? ", " : "",
                                                            lists[i].before, k, lists[i].after),
                                                 0);
                        c = load(buf_text(&b), "", false);
                        assert_string_equal(find(c, "default")->problem,
                                            more ? lists[i].problem : "");
                        if (!more)
                                assert_legal(find(c, "default"));
                }
}

/* Each text at its limit, one beyond, and too long to be kept at all. */
static void test_long_texts(void **state) {
        static const struct {
                const char *key, *start, *end;
                size_t len; /* of x in between that is allowed */
        } texts[] = {
                {"external_id", "", "", EXTERNAL_ID_MAX},
                {"role_session_name", "", "", ROLE_SESSION_NAME_MAX},
                {"mfad_source_identity", "", "", SOURCE_IDENTITY_MAX},
                {"mfad_session_policy", "{", "}", SESSION_POLICY_MAX - 2},
                {"mfad_session_tags", "k=", "", 256},
                {"mfad_session_tags", "", "=", 128},
                {"mfad_policy_arns", "arn:aws:iam::aws:policy/", "", POLICY_ARNS_LEN_MAX - 24},
                {"role_arn", "arn:aws:iam::aws:role/", "", USER_ARN_MAX - 22},
                {"source_profile", "", "", PROFILE_NAME_MAX},
                {"region", "", "", 32},
                {"ca_bundle", "/", "", PATH_LEN_MAX - 2},
                {"mfa_serial", "", "", MFA_SERIAL_MAX},
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                for (size_t k = 0; k < 3; k++) {
                        const size_t lens[] = {texts[i].len, texts[i].len + 1, AWS_VALUE_MAX + 1};
                        _cleanup_(buf_clear) struct buf b = BUF_INIT(30000);
                        _cleanup_(aws_config_freep) struct aws_config *c = NULL;

                        assert_int_equal(
                                buf_printf(&b, "[default]\n%s = %s", texts[i].key, texts[i].start),
                                0);
                        for (size_t x = 0; x < lens[k]; x++)
                                assert_int_equal(buf_puts(&b, "x"), 0);
                        assert_int_equal(buf_puts(&b, texts[i].end), 0);
                        c = load("[default]\n" ROLE, buf_text(&b), false);
                        assert_int_equal(*find(c, "default")->problem == '\0', k == 0);
                        assert_int_equal(
                                strstr(find(c, "default")->problem, "is too long") != NULL,
                                k == 2 || (k == 1 && strcmp(texts[i].key, "ca_bundle") == 0));
                        if (k == 0)
                                assert_legal(find(c, "default"));
                }
}

static void test_as_many_as_allowed(void **state) {
        struct aws_config_error error;
        struct aws_config *c;

        (void)state;
        for (unsigned n = AWS_PROFILES_MAX; n <= AWS_PROFILES_MAX + 1; n++) {
                FILE *f = fopen(config_path, "w");
                int r;

                assert_non_null(f);
                for (unsigned i = 0; i < n; i++)
                        assert_true(fprintf(f, "[profile role-%u]\n" ROLE "duration_seconds = %u\n",
                                            i, 900 + i) > 0);
                assert_int_equal(fclose(f), 0);
                r = aws_config_load(config_path, "/nonexistent", false, &c, &error);
                assert_int_equal(r, n == AWS_PROFILES_MAX ? 0 : -E2BIG);
                if (r < 0)
                        break;
                assert_int_equal(aws_config_n_profiles(c), n);
                for (unsigned i = 0; i < n; i++) {
                        char name[32];

                        (void)snprintf(name, sizeof(name), "role-%u", i);
                        assert_ptr_equal(find(c, name), aws_config_at(c, i));
                        assert_string_equal(find(c, name)->name, name);
                        assert_int_equal(find(c, name)->duration_sec, 900 + i);
                }
                (void)aws_config_free(c); /* always NULL */
        }
        assert_string_equal(error.what, "too many profiles");
}

static int remove_folder(void **state) {
        (void)state;
        (void)unlink(config_path); /* /tmp is cleaned anyway */
        (void)unlink(credentials_path);
        return rmdir(folder);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_profiles),
                cmocka_unit_test(test_short_lived_keys_are_not_keys),
                cmocka_unit_test(test_daemon_keeps_no_keys),
                cmocka_unit_test(test_errors_name_file_and_line),
                cmocka_unit_test(test_missing_files_are_empty),
                cmocka_unit_test(test_role),
                cmocka_unit_test(test_values),
                cmocka_unit_test(test_problems_stay_at_home),
                cmocka_unit_test(test_services),
                cmocka_unit_test(test_long_lists),
                cmocka_unit_test(test_long_texts),
                cmocka_unit_test(test_as_many_as_allowed),
        };

        if (secret_arena_open() < 0 || !mkdtemp(folder) || setenv("HOME", "/home/somebody", 1) < 0)
                return 1;
        (void)snprintf(config_path, sizeof(config_path), "%s/config", folder); /* both are short */
        (void)snprintf(credentials_path, sizeof(credentials_path), "%s/credentials", folder);
        return cmocka_run_group_tests(tests, NULL, remove_folder);
}
