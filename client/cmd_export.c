#include "client/aws_files.h"
#include "client/commands.h"
#include "client/lend.h"
#include "client/output.h"
#include "client/tell.h"
#include "common/clock.h"
#include "common/creds.h"
#include "common/encode.h"
#include "common/secret.h"

#include <string.h>

#define LONG_TERM "-long-term" /* aws-mfa's ending for what is no session */

static bool ends_in(const char *text, const char *ending) {
        size_t n = strlen(text), its = strlen(ending);

        return n >= its && strcmp(text + n - its, ending) == 0;
}

/* "DEFAULT" is no section for Python's configparser, which botocore uses, but the values of all others. */
static enum exit_code check_section(const char *section) {
        size_t n = strlen(section);

        if (n > 0 && text_is_printable(section, PROFILE_NAME_MAX) && !strpbrk(section, "[]\t") &&
            section[0] != ' ' && section[n - 1] != ' ' && strcmp(section, "DEFAULT") != 0 &&
            !ends_in(section, LONG_TERM))
                return EXIT_CODE_OK;
        output_error("--to: a profile for temporary credentials cannot be called \"%s\"", section);
        return EXIT_CODE_USAGE;
}

/* What mfad lends, as creds.h has it. The strings of @json are wiped when it is freed. */
static int take_creds(const json_t *json, struct creds **ret) {
        _cleanup_(creds_freep) struct creds *creds = NULL;
        const char *id = call_text(json, "access_key_id");
        const char *secret = call_text(json, "secret_access_key");
        const char *token = call_text(json, "session_token");
        int r = creds_new(&creds);

        if (r < 0)
                return r;
        if (!text_is_access_key_id(id) || !text_is_graph(secret, SECRET_KEY_MAX) ||
            !text_is_graph(token, SESSION_TOKEN_MAX) ||
            decode_time_iso(call_text(json, "expiration"), &creds->expiration_sec) < 0)
                return -EBADMSG;
        strcpy(creds->access_key_id, id);
        r = secret_copy(secret, strlen(secret), &creds->secret_key);
        if (r >= 0)
                r = secret_copy(token, strlen(token), &creds->session_token);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(creds);
        return 0;
}

/* The name of the profile that is meant when none is given: for the mark in the file. */
static enum exit_code name_default(struct link *control, json_t **ret_status,
                                   const char **ret_name) {
        enum exit_code code = call_run(control, CONTROL("GetStatus"), NULL, CALL_SEC, ret_status);
        const char *name = NULL;

        if (code == EXIT_CODE_OK)
                name = call_text(*ret_status, "default_profile");
        *ret_name = name ? name : "default";
        return code;
}

static void report(const char *path, const char *section, int64_t expiration_sec) {
        char until[TELL_UNTIL_MAX];

        tell_until(expiration_sec - clock_wall_sec(), until);
        output_say(OUTPUT_GOOD, "written");
        output_say(OUTPUT_PLAIN,
                   " to %s as [%s], valid until %s\n"
                   "    to use it: AWS_PROFILE=%s\n"
                   "A copy: mfad does not renew it, and mfactl lock does not take it back.\n",
                   path, section, until, section);
        if (strcmp(section, "default") == 0)
                output_warning("[default] shadows mfad: every SDK prefers it to what mfad serves, "
                               "also when it is over");
}

enum exit_code cmd_export(const struct args *args) {
        const char *section = args->text[ARGS_TO], *profile = args->text[ARGS_PROFILE];
        _cleanup_(creds_freep) struct creds *creds = NULL;
        _cleanup_(link_freep) struct link *control = NULL;
        json_auto_t *lent = NULL, *status = NULL;
        struct aws_files files;
        enum exit_code code;
        int r;

        if (!section) {
                output_error("export: --to PROFILE is missing: under which name?");
                output_hint("run: mfactl export --help");
                return EXIT_CODE_USAGE;
        }
        code = check_section(section);
        if (code == EXIT_CODE_OK)
                code = aws_files_find(NULL, &files);
        if (code == EXIT_CODE_OK)
                code = call_open("control", &control);
        if (code == EXIT_CODE_OK)
                code = lend(control, profile, &lent, NULL);
        if (code == EXIT_CODE_OK && !profile)
                code = name_default(control, &status, &profile);
        if (code != EXIT_CODE_OK)
                return code;
        r = take_creds(lent, &creds);
        if (r < 0) {
                output_error("mfad's credentials cannot be written: %s",
                             r == -EBADMSG ? "they are not what AWS gives" : strerror(-r));
                return EXIT_CODE_FAILURE;
        }
        code = aws_files_put_session(files.credentials, section, profile, creds);
        if (code == EXIT_CODE_OK)
                report(files.credentials, section, creds->expiration_sec);
        return code;
}
