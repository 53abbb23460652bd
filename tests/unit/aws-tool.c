/* aws-tool.c - lets the differential tests call common/'s AWS modules: one JSON object a line.
 * Owns:  nothing.
 * Calls: aws_request.h, aws_endpoint.h, aws_profile.h, ini.h, jansson.
 * Limit: TOOL_LINE_MAX bytes a line of input.
 * Usage: aws-tool sign | endpoint            calls on stdin, one answer line each
 *        aws-tool ini FILE | config CONFIG CREDENTIALS        one answer line
 *        aws-tool session FROM TO SECTION    example credentials into FROM's text, written to TO */
#include "common/aws_credentials.h"
#include "common/aws_endpoint.h"
#include "common/aws_profile.h"
#include "common/aws_request.h"
#include "common/buf.h"
#include "common/creds.h"
#include "common/fs.h"
#include "common/ini.h"
#include "common/secret.h"
#include "common/sigv4.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define TOOL_LINE_MAX (64 * 1024)

static void print(json_t *answer) {
        if (!answer || json_dumpf(answer, stdout, JSON_COMPACT | JSON_SORT_KEYS) < 0)
                abort();
        putchar('\n');
        json_decref(answer);
}

static const char *text_of(const json_t *object, const char *name) {
        const char *text = json_string_value(json_object_get(object, name));

        return text ? text : "";
}

static void set_text(char *out, size_t size, const json_t *object, const char *name) {
        if ((size_t)snprintf(out, size, "%s", text_of(object, name)) >= size)
                abort();
}

static void set_role(struct aws_role *role, const json_t *in) {
        set_text(role->arn, sizeof(role->arn), in, "arn");
        set_text(role->session_name, sizeof(role->session_name), in, "session_name");
        set_text(role->external_id, sizeof(role->external_id), in, "external_id");
        set_text(role->source_identity, sizeof(role->source_identity), in, "source_identity");
        set_text(role->policy, sizeof(role->policy), in, "policy");
        set_text(role->policy_arns, sizeof(role->policy_arns), in, "policy_arns");
        set_text(role->tags, sizeof(role->tags), in, "tags");
        set_text(role->transitive_tags, sizeof(role->transitive_tags), in, "transitive_tags");
}

static json_t *sign(const json_t *in) {
        _cleanup_(aws_http_request_clear) struct aws_http_request request = {0};
        _cleanup_(secret_freep) struct secret *secret_key = NULL;
        const char *secret = text_of(in, "secret_key");
        const json_t *role_in = json_object_get(in, "role");
        struct aws_role role = {0};
        struct aws_call call = {
                .op = (enum aws_op)json_integer_value(json_object_get(in, "op")),
                .duration_sec = (uint32_t)json_integer_value(json_object_get(in, "duration_sec")),
                .wall_sec = json_integer_value(json_object_get(in, "wall_sec")),
                .role = role_in ? &role : NULL,
        };
        struct sigv4_key key = {
                .access_key_id = text_of(in, "access_key_id"),
                .session_token = json_string_value(json_object_get(in, "session_token")),
        };
        int r;

        set_text(call.region, sizeof(call.region), in, "region");
        set_text(call.endpoint, sizeof(call.endpoint), in, "endpoint");
        set_text(call.mfa_serial, sizeof(call.mfa_serial), in, "mfa_serial");
        set_text(call.mfa_code, sizeof(call.mfa_code), in, "mfa_code");
        set_role(&role, role_in);
        if (secret_copy(secret, strlen(secret), &secret_key) < 0)
                abort();
        key.secret_key = secret_key;

        r = aws_request_build(&call, &key, &request);
        if (r < 0)
                return json_pack("{s:i}", "error", r);
        return json_pack("{s:s, s:s, s:s}", "url", request.url, "headers",
                         buf_text(&request.headers), "body", buf_text(&request.body));
}

static json_t *endpoint(const json_t *in) {
        const char *service = text_of(in, "service"), *why = "";
        struct aws_where where = {
                .region = text_of(in, "region"),
                .sts_url = text_of(in, "sts_url"),
                .iam_url = text_of(in, "iam_url"),
                .signin_url = "",
                .use_fips = json_is_true(json_object_get(in, "fips")),
                .use_dualstack = json_is_true(json_object_get(in, "dualstack")),
                .use_global = json_is_true(json_object_get(in, "legacy")),
        };
        struct aws_endpoint e;

        if (aws_endpoint_find(strcmp(service, "iam") == 0 ? AWS_IAM : AWS_STS, &where, &e, &why) <
            0)
                return json_pack("{s:s}", "error", why);
        return json_pack("{s:s, s:s, s:s}", "url", e.url, "region", e.region, "partition",
                         aws_endpoint_partition(where.region));
}

static int each_line(json_t *(*answer)(const json_t *in)) {
        static char line[TOOL_LINE_MAX];

        while (fgets(line, sizeof(line), stdin)) {
                json_t *in = json_loads(line, 0, NULL);

                if (!in)
                        return 2;
                print(answer(in));
                json_decref(in);
        }
        return 0;
}

static int on_entry(const struct ini_entry *e, void *userdata, const char **ret_what) {
        json_t *sections = userdata, *section = json_object_get(sections, e->section);

        if (!e->key) {
                if (json_object_set_new(sections, e->section, json_object()) < 0) {
                        *ret_what = "not UTF-8";
                        return -EINVAL;
                }
                return 0;
        }
        if (json_object_set_new(section, e->key, json_string(e->value)) < 0) {
                *ret_what = "not UTF-8";
                return -EINVAL;
        }
        return 0;
}

static int ini(const char *path) {
        _cleanup_(buf_clear) struct buf text = BUF_INIT(AWS_FILE_MAX);
        json_t *sections = json_object();
        struct ini_error error = {0};

        if (fs_read_file(path, &text) < 0)
                return 2;
        if (ini_parse(buf_text(&text), text.len, on_entry, sections, &error) < 0) {
                json_decref(sections);
                print(json_pack("{s:i, s:s}", "line", (int)error.line, "what", error.what));
                return 0;
        }
        print(json_pack("{s:o}", "sections", sections));
        return 0;
}

/* Every member of struct aws_profile, and the plain key. */
static json_t *profile(const struct aws_config *c, const struct aws_profile *p) {
        const struct {
                const char *name, *text;
        } texts[] = {
                {"region", p->where.region},
                {"sts_url", p->where.sts_url},
                {"iam_url", p->where.iam_url},
                {"signin_url", p->where.signin_url},
                {"ca_bundle", p->ca_bundle},
                {"proxy", p->proxy},
                {"mfa_serial", p->mfa_serial},
                {"problem", p->problem},
                {"role_arn", p->role_arn},
                {"source_profile", p->source_profile},
                {"external_id", p->external_id},
                {"role_session_name", p->role_session_name},
                {"source_identity", p->source_identity},
                {"session_policy", p->session_policy},
                {"policy_arns", p->policy_arns},
                {"session_tags", p->session_tags},
                {"transitive_tags", p->transitive_tags},
        };
        struct aws_plain_key key;
        json_t *o;

        o = json_pack("{s:b, s:b, s:b, s:b, s:b, s:b, s:i}", "is_role", p->is_role, "has_key",
                      p->has_key, "is_direct_mfa", p->is_direct_mfa, "use_fips", p->where.use_fips,
                      "use_dualstack", p->where.use_dualstack, "use_global", p->where.use_global,
                      "duration_sec", (int)p->duration_sec);
        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                if (json_object_set_new(o, texts[i].name, json_string(texts[i].text)) < 0)
                        abort(); /* all of them are to be UTF-8 */
        if (o && aws_config_plain_key(c, p->name, &key) >= 0)
                (void)json_object_set_new(
                        o, "key",
                        json_pack("[s, s, s]", key.section, key.access_key_id,
                                  secret_reveal(key.secret_key))); /* shown by what is missing */
        return o;
}

static int config(const char *config_path, const char *credentials_path) {
        _cleanup_(aws_config_freep) struct aws_config *c = NULL;
        struct aws_config_error error;
        json_t *profiles = json_object();

        if (aws_config_load(config_path, credentials_path, true, &c, &error) < 0) {
                json_decref(profiles);
                print(json_pack("{s:s, s:i, s:s?}", "file", error.file, "line", (int)error.line,
                                "what", error.what));
                return 0;
        }
        for (size_t i = 0; i < aws_config_n_profiles(c); i++) {
                const struct aws_profile *p = aws_config_at(c, i);

                if (json_object_set_new(profiles, p->name, profile(c, p)) < 0)
                        abort();
        }
        print(json_pack("{s:o}", "profiles", profiles));
        return 0;
}

static int session(const char *from, const char *to, const char *section) {
        _cleanup_(buf_clear) struct buf text = BUF_INIT(AWS_FILE_MAX),
                                        out = BUF_INIT(2 * AWS_FILE_MAX);
        _cleanup_(creds_freep) struct creds *creds = NULL;
        FILE *f;
        int r;

        if (fs_read_file(from, &text) < 0 || creds_new(&creds) < 0 ||
            secret_copy("new+secret/=", 12, &creds->secret_key) < 0 ||
            secret_copy("new/token==", 11, &creds->session_token) < 0)
                return 2;
        strcpy(creds->access_key_id, "ASIANEWEXAMPLE");
        creds->expiration_sec = 1800000000;
        r = aws_credentials_with_session(buf_text(&text), text.len, section, "some profile", creds,
                                         &out);
        f = fopen(to, "w");
        if (!f || fwrite(buf_text(&out), 1, out.len, f) != out.len || fclose(f) != 0)
                return 2;
        print(json_pack("{s:s}", "result", r < 0 ? strerrorname_np(-r) : "OK"));
        return 0;
}

int main(int argc, char *argv[]) {
        if (secret_arena_open() < 0)
                return 1;
        if (argc == 2 && strcmp(argv[1], "sign") == 0)
                return each_line(sign);
        if (argc == 2 && strcmp(argv[1], "endpoint") == 0)
                return each_line(endpoint);
        if (argc == 3 && strcmp(argv[1], "ini") == 0)
                return ini(argv[2]);
        if (argc == 4 && strcmp(argv[1], "config") == 0)
                return config(argv[2], argv[3]);
        if (argc == 5 && strcmp(argv[1], "session") == 0)
                return session(argv[2], argv[3], argv[4]);
        fprintf(stderr, "usage: aws-tool sign | endpoint | ini FILE | config CONFIG CREDENTIALS |"
                        " session FROM TO SECTION\n");
        return 2;
}
