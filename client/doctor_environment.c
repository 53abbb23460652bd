#include "client/aws_files.h"
#include "client/call.h"
#include "client/doctor.h"
#include "client/environment.h"
#include "client/output.h"
#include "common/ini.h"
#include "common/secret.h"

#include <stdio.h>
#include <string.h>

#define ENV          "eval \"$(mfactl env)\""
#define ADDRESS_HEAD "http://127.0.0.1:"
#define NAMES_MAX    ((size_t)1024)

/* Without AWS_WEB_IDENTITY_TOKEN_FILE or another set of credentials these change nothing by themselves. */
static const char *const harmless_alone[] = {"AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME",
                                             "AWS_CREDENTIAL_EXPIRATION"};
static const char *const profile_names[] = {"AWS_PROFILE", "AWS_DEFAULT_PROFILE"};

/* "" when it is not set, which is the same for SDKs. */
static const char *env(const char *name) {
        const char *value = getenv(name);

        return value ? value : "";
}

static bool is_one_of(const char *name, const char *const names[], size_t n) {
        for (size_t i = 0; i < n; i++)
                if (strcmp(name, names[i]) == 0)
                        return true;
        return false;
}

/* Values are never shown: they may be keys. */
static void judge_shadows(struct doctor_report *r) {
        _cleanup_(buf_clear) struct buf names = BUF_INIT(NAMES_MAX), fix = BUF_INIT(NAMES_MAX);
        const char *name;

        for (size_t i = 0; (name = environment_shadow(i)); i++)
                if (*env(name) && !is_one_of(name, harmless_alone, ELEMENTSOF(harmless_alone)) &&
                    !is_one_of(name, profile_names, ELEMENTSOF(profile_names))) {
                        /* all names together fit */
                        (void)buf_printf(&names, "%s%s", names.len > 0 ? ", " : "", name);
                        (void)buf_printf(&fix, "%s%s", fix.len > 0 ? " " : "unset ", name);
                }
        if (names.len > 0)
                doctor_report_add(r, DOCTOR_PROBLEM, "variables", buf_text(&fix),
                                  "%s: SDKs look there before they ask mfad", buf_text(&names));
        else
                doctor_report_add(r, DOCTOR_OK, "variables", NULL, "none shadows mfad");
}

struct search {
        const char *section, *section_of_config;
        bool is_found;
};

static int on_entry(const struct ini_entry *entry, void *userdata, const char **ret_what) {
        struct search *s = userdata;

        (void)ret_what;
        if (entry->key && strcmp(entry->key, "credential_process") == 0 &&
            (strcmp(entry->section, s->section) == 0 ||
             strcmp(entry->section, s->section_of_config) == 0) &&
            strstr(entry->value, "mfactl"))
                s->is_found = true;
        return 0;
}

/* Does the profile @name take its credentials from `mfactl creds`? */
static bool is_process_ours(const char *config_path, const char *name) {
        _cleanup_(buf_clear) struct buf text = BUF_INIT(AWS_FILE_MAX);
        char section[PROFILE_NAME_MAX + 16];
        struct search search = {.section = name, .section_of_config = section};
        struct ini_error error;

        (void)snprintf(section, sizeof(section), "profile %s", name);
        if (fs_read_file(config_path, &text) >= 0)
                (void)ini_parse(buf_text(&text), text.len, on_entry, &search, &error);
        return search.is_found;
}

/* Returns whether it leads to us without any address. */
static bool judge_profile(struct doctor_report *r, const char *variable,
                          const struct aws_files *files, const struct aws_config *config) {
        const char *name = env(variable);
        const struct aws_profile *profile = config ? aws_config_find(config, name) : NULL;
        char fix[256] = ENV;

        if (!*name || !config)
                return false;
        if (text_is_key_name(name))
                (void)snprintf(fix, sizeof(fix), "eval \"$(mfactl env --profile %s)\"", name);
        if (is_process_ours(files->config, name)) {
                doctor_report_add(r, DOCTOR_OK, variable, NULL,
                                  "%s, whose credential_process is mfactl", name);
                return true;
        }
        if (!profile)
                doctor_report_add(r, DOCTOR_PROBLEM, variable, fix, "there is no profile %s", name);
        else if (profile->is_role || profile->has_key)
                doctor_report_add(r, DOCTOR_PROBLEM, variable, fix,
                                  "SDKs take the %s of profile %s, and do not ask mfad",
                                  profile->is_role ? "role" : "plain key", name);
        else
                doctor_report_add(r, DOCTOR_NOTE, variable, fix,
                                  "SDKs read the profile %s before they ask mfad", name);
        return false;
}

/* Is there a profile at @path? */
static bool is_served(const json_t *profiles, const char *path) {
        if (strcmp(path, "/") == 0)
                return true;
        for (size_t i = 0; i < json_array_size(profiles); i++) {
                const char *its = call_text(json_array_get(profiles, i), "path");

                if (its && strcmp(its, path) == 0)
                        return true;
        }
        return false;
}

static void judge_address(struct doctor *d, const char *address) {
        static const char check[] = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
        size_t head = strlen(ADDRESS_HEAD);
        unsigned long port;
        char *path;

        if (strncmp(address, ADDRESS_HEAD, head) != 0) {
                doctor_report_add(&d->report, DOCTOR_PROBLEM, check, ENV,
                                  "leads elsewhere: mfad is at " ADDRESS_HEAD "%u/", d->port);
                return;
        }
        port = strtoul(address + head, &path, 10);
        if (d->status && port != d->port)
                doctor_report_add(&d->report, DOCTOR_PROBLEM, check, ENV,
                                  "leads to port %lu, but mfad is at %u", port, d->port);
        else if (*path != '/')
                doctor_report_add(&d->report, DOCTOR_PROBLEM, check, ENV,
                                  "has no path: some SDKs refuse it");
        else if (d->profiles && !is_served(d->profiles, path))
                doctor_report_add(&d->report, DOCTOR_PROBLEM, check, "mfactl profiles",
                                  "mfad serves no profile at %s", path);
        else
                doctor_report_add(&d->report, DOCTOR_OK, check, NULL, "leads to mfad, %s", path);
}

static void judge_token(struct doctor *d) {
        static const char check[] = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
        const char *token = env(check), *file = env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
        size_t len = strlen(token);

        if (!*token && !*file) {
                doctor_report_add(&d->report, DOCTOR_PROBLEM, check, ENV,
                                  "SDKs have no token for mfad");
                return;
        }
        if (*file && *d->token_path && aws_files_differ(file, d->token_path))
                doctor_report_add(&d->report, DOCTOR_PROBLEM, "token's file", ENV,
                                  "%s is not mfad's: that is %s", file, d->token_path);
        else if (*file)
                doctor_report_add(&d->report, DOCTOR_OK, "token's file", NULL, "is mfad's");
        if (!*token || d->token.len == 0)
                return;
        if (len != d->token.len || !secret_equal(token, buf_text(&d->token), len))
                doctor_report_add(&d->report, DOCTOR_PROBLEM, check, ENV,
                                  "is not the one that mfad takes now");
        else
                doctor_report_add(&d->report, DOCTOR_OK, check, NULL, "is the one that mfad takes");
}

static void judge_way(struct doctor *d, bool has_other_way) {
        const char *address = env("AWS_CONTAINER_CREDENTIALS_FULL_URI");

        if (!*address && has_other_way)
                return;
        if (!*address) {
                doctor_report_add(&d->report, DOCTOR_PROBLEM, "way to mfad", ENV,
                                  "this shell does not lead SDKs to mfad");
                return;
        }
        judge_address(d, address);
        judge_token(d);
        if (!*env("AWS_EC2_METADATA_DISABLED"))
                doctor_report_add(
                        &d->report, DOCTOR_NOTE, "AWS_EC2_METADATA_DISABLED", ENV,
                        "is not set: while mfad is locked, SDKs look for a server of EC2");
}

static void judge_proxies(struct doctor *d) {
        static const char *const https[] = {"HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"};
        static const char *const http[] = {"HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"};
        const char *excepted = *env("NO_PROXY") ? env("NO_PROXY") : env("no_proxy");
        const char *set = NULL;

        for (size_t i = 0; i < ELEMENTSOF(https) && !set; i++)
                set = *env(https[i]) ? https[i] : NULL;
        if (set && !d->conf.has_proxy)
                doctor_report_add(&d->report, DOCTOR_NOTE, "proxy",
                                  "if AWS is behind it: proxy = http://HOST:PORT in mfad.conf",
                                  "%s is set, but mfad looks at its own configuration only", set);
        set = NULL;
        for (size_t i = 0; i < ELEMENTSOF(http) && !set; i++)
                set = *env(http[i]) ? http[i] : NULL;
        if (set && !environment_is_listed(excepted, "127.0.0.1"))
                doctor_report_add(&d->report, DOCTOR_NOTE, "proxy", ENV,
                                  "%s is set, and NO_PROXY does not except 127.0.0.1", set);
}

void doctor_environment(struct doctor *d) {
        _cleanup_(aws_config_freep) struct aws_config *config = NULL;
        struct aws_config_error error;
        struct aws_files files = {0};
        bool has_other_way = false;

        d->report.topic = "environment";
        /* what is wrong with the files is said by the next topic */
        if (aws_files_find(NULL, &files) == EXIT_CODE_OK)
                (void)aws_config_load(files.config, files.credentials, false, &config, &error);
        judge_shadows(&d->report);
        for (size_t i = 0; i < ELEMENTSOF(profile_names); i++)
                has_other_way |= judge_profile(&d->report, profile_names[i], &files, config);
        judge_way(d, has_other_way);
        judge_proxies(d);
}

static void judge_difference(struct doctor_report *r, const char *variable, const char *ours,
                             const char *its) {
        if (aws_files_differ(ours, its))
                doctor_report_add(r, DOCTOR_NOTE, variable, "mfactl init",
                                  "names %s, but mfad reads %s", ours, its);
}

static void judge_keys(struct doctor_report *r, const struct aws_files *files,
                       const struct aws_config *config) {
        const struct aws_profile *first = aws_config_find(config, "default");
        _cleanup_(buf_clear) struct buf others = BUF_INIT(OUTPUT_TEXT_MAX);
        size_t n_others = 0;

        for (size_t i = 0; i < aws_config_n_profiles(config); i++) {
                const struct aws_profile *profile = aws_config_at(config, i);

                if (profile->has_key && profile != first && n_others++ < DOCTOR_LISTED_MAX)
                        (void)buf_printf(&others, "%s%s", others.len > 0 ? ", " : "",
                                         profile->name);
        }
        if (first && first->has_key)
                doctor_report_add(r, DOCTOR_PROBLEM, "[default]", "mfactl init",
                                  "%s holds its key in plain text, which every SDK prefers to mfad",
                                  files->credentials);
        if (n_others > 0)
                doctor_report_add(r, DOCTOR_NOTE, "plain keys",
                                  "mfactl key import --remove-plain-keys",
                                  "%s still holds those of %s%s", files->credentials,
                                  buf_text(&others), n_others > DOCTOR_LISTED_MAX ? ", ..." : "");
        if (n_others == 0 && !(first && first->has_key))
                doctor_report_add(r, DOCTOR_OK, "plain keys", NULL, "none in %s",
                                  files->credentials);
}

void doctor_aws_files(struct doctor *d) {
        _cleanup_(aws_config_freep) struct aws_config *config = NULL;
        struct aws_config_error error = {0};
        struct aws_files files, its;
        int r;

        d->report.topic = "AWS files";
        if (aws_files_find(NULL, &files) != EXIT_CODE_OK)
                return; /* it has said why */
        if (aws_files_of_mfad(&its) >= 0) {
                judge_difference(&d->report, "AWS_CONFIG_FILE", files.config, its.config);
                judge_difference(&d->report, "AWS_SHARED_CREDENTIALS_FILE", files.credentials,
                                 its.credentials);
        }
        r = aws_config_load(files.config, files.credentials, false, &config, &error);
        if (r >= 0)
                judge_keys(&d->report, &files, config);
        else if (error.line > 0)
                doctor_report_add(&d->report, DOCTOR_PROBLEM, "files", "edit it", "%s, line %u: %s",
                                  error.file, error.line, error.what);
        else
                doctor_report_add(&d->report, DOCTOR_PROBLEM, "files",
                                  "make it a file that you may read; ls -lL shows what it is",
                                  "cannot read %s: %s", error.file,
                                  error.what ? error.what : strerror(-r));
}
