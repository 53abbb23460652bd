/* aws-tool.c - lets the differential tests call common/'s AWS modules: one JSON object a line.
 * Owns:  nothing.
 * Calls: aws_request.h, aws_endpoint.h, aws_profile.h, ini.h, jansson.
 * Limit: TOOL_LINE_MAX bytes a line of input.
 * Usage: aws-tool sign | endpoint            calls on stdin, one answer line each
 *        aws-tool ini FILE | config CONFIG CREDENTIALS        one answer line */
#include "common/aws_endpoint.h"
#include "common/aws_profile.h"
#include "common/aws_request.h"
#include "common/buf.h"
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

static json_t *sign(const json_t *in) {
        _cleanup_(aws_http_request_clear) struct aws_http_request request = {0};
        _cleanup_(secret_freep) struct secret *secret_key = NULL;
        const char *secret = text_of(in, "secret_key");
        struct aws_call call = {
                .op = (enum aws_op)json_integer_value(json_object_get(in, "op")),
                .duration_sec = (uint32_t)json_integer_value(json_object_get(in, "duration_sec")),
                .wall_sec = json_integer_value(json_object_get(in, "wall_sec")),
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
        struct aws_endpoint e;
        int r;

        r = aws_endpoint_find(text_of(in, "service"), text_of(in, "region"),
                              json_string_value(json_object_get(in, "override")), &e);
        if (r < 0)
                return json_pack("{s:i}", "error", r);
        return json_pack("{s:s, s:s}", "url", e.url, "region", e.region);
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

static json_t *profile(const struct aws_config *c, const char *name) {
        struct aws_plain_key key;
        struct aws_profile p;
        json_t *o;

        if (aws_config_profile(c, name, &p) < 0)
                abort();
        o = json_pack("{s:b, s:b, s:s, s:s, s:s, s:s}", "is_role", p.is_role, "has_key", p.has_key,
                      "region", p.region, "mfa_serial", p.mfa_serial, "endpoint_url",
                      p.endpoint_url, "ca_bundle", p.ca_bundle);
        if (o && aws_config_plain_key(c, name, &key) >= 0)
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
                print(json_pack("{s:s, s:i, s:s}", "file", error.file, "line", (int)error.line,
                                "what", error.what));
                return 0;
        }
        for (size_t i = 0; i < aws_config_n_profiles(c); i++) {
                const char *name = aws_config_profile_name(c, i);

                if (json_object_set_new(profiles, name, profile(c, name)) < 0)
                        abort();
        }
        print(json_pack("{s:o}", "profiles", profiles));
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
        fprintf(stderr, "usage: aws-tool sign | endpoint | ini FILE | config CONFIG CREDENTIALS\n");
        return 2;
}
