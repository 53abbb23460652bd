#include "client/args.h"
#include "client/commands.h"
#include "client/lend.h"
#include "client/output.h"
#include "client/profile_list.h"
#include "client/tell.h"
#include "common/encode.h"

#include <stdio.h>
#include <string.h>

/* Of the profile that mfad answered with. */
static void report(const json_t *profile) {
        const char *name = call_text(profile, "name");
        char until[TELL_UNTIL_MAX];

        tell_until(call_number(profile, "seconds_left", 0), until);
        output_say(OUTPUT_GOOD, "refreshed");
        output_say(OUTPUT_PLAIN, " %s until %s\n", name ? name : "", until);
}

/* @name: NULL for the default profile; when there are several, a failure must say whose it is. */
static enum exit_code refresh(struct link *control, const char *name, bool is_one_of_many) {
        char error[LINK_ERROR_MAX];
        json_auto_t *answer = NULL;
        enum exit_code code;

        code = call_try(control, CONTROL("Refresh"), lend_parameters(name), CALL_AWS_SEC, error,
                        &answer);
        output_progress_end();
        if (code == EXIT_CODE_OK)
                report(json_object_get(answer, "profile"));
        else if (error[0])
                return errors_service_of(is_one_of_many ? name : NULL, error, answer);
        return code;
}

static bool is_role(const json_t *profile) {
        const char *kind = call_text(profile, "kind");

        return kind && strcmp(kind, "role") == 0;
}

static enum exit_code refresh_all(struct link *control) {
        enum exit_code worst = EXIT_CODE_OK, code;
        json_auto_t *profiles = NULL;
        size_t n = 0, done = 0;

        code = profile_list(control, &profiles);
        if (code != EXIT_CODE_OK)
                return code;
        for (size_t i = 0; i < json_array_size(profiles);) {
                const json_t *profile = json_array_get(profiles, i);

                if (is_role(profile) && profile_list_is_held(profile) && call_text(profile, "name"))
                        i++;
                else if (json_array_remove(profiles, i) < 0)
                        return EXIT_CODE_FAILURE;
        }
        n = json_array_size(profiles);
        if (n == 0) {
                output_say(OUTPUT_PLAIN, "No role's credentials are held: nothing to refresh.\n");
                return EXIT_CODE_OK;
        }
        for (; done < n && worst != EXIT_CODE_NOT_RUNNING; done++) {
                char text[64];

                (void)snprintf(text, sizeof(text), "asking AWS, %zu of %zu ...", done + 1, n);
                output_progress(text);
                code = refresh(control, call_text(json_array_get(profiles, done), "name"), true);
                worst = errors_worse(worst, code);
        }
        return worst;
}

enum exit_code cmd_refresh(const struct args *args) {
        const char *name = args->n_words > 0 ? args->words[0] : NULL;
        _cleanup_(link_freep) struct link *control = NULL;
        enum exit_code code;

        if (name && args->is_set[ARGS_ALL]) {
                output_error("refresh: either --all or a profile");
                return EXIT_CODE_USAGE;
        }
        if (name && (!*name || !text_is_printable(name, ARGS_TEXT_MAX))) {
                output_error("\"%s\" is no profile's name", name);
                return EXIT_CODE_USAGE;
        }
        code = call_open("control", &control);
        if (code != EXIT_CODE_OK)
                return code;
        if (args->is_set[ARGS_ALL])
                return refresh_all(control);
        output_progress("asking AWS ...");
        return refresh(control, name, false);
}
