#include "client/commands.h"
#include "client/endpoint_check.h"
#include "client/lend.h"
#include "client/output.h"

#include <signal.h>
#include <string.h>
#include <sys/stat.h>

/* POSIX, "Exit Status for Commands": what a shell says when it cannot run a command. */
#define EXIT_NOT_EXECUTABLE 126
#define EXIT_NOT_FOUND      127

void cmd_give_back_inherited(void) {
        (void)umask(cmd_inherited.umask);
        /* only the soft limit was lowered; that never fails to go back up */
        (void)setrlimit(RLIMIT_CORE, &cmd_inherited.core);
        if (!cmd_inherited.is_sigpipe_ignored)
                (void)signal(SIGPIPE, SIG_DFL);
}

enum exit_code cmd_exec(const struct args *args) {
        _cleanup_(environment_freep) struct environment *environment = NULL;
        struct endpoint_wish wish = {.profile = args->text[ARGS_PROFILE],
                                     .with_token = !args->is_set[ARGS_TOKEN_FILE_ONLY]};
        _cleanup_(link_freep) struct link *control = NULL;
        json_auto_t *creds = NULL, *region = NULL;
        enum exit_code code;
        int r;

        code = call_open("control", &control);
        if (code == EXIT_CODE_OK)
                code = lend(control, wish.profile, &creds, &region);
        wish.expiration = call_text(creds, "expiration");
        wish.region = json_string_value(region);
        if (code == EXIT_CODE_OK)
                code = endpoint_check(control, &wish, &environment);
        if (code != EXIT_CODE_OK)
                return code;
        json_decref(creds); /* wiped before anything else runs in this process */
        creds = NULL;
        r = environment_apply(environment);
        if (r < 0) {
                output_error("%s", strerror(-r));
                return EXIT_CODE_FAILURE;
        }
        cmd_give_back_inherited();
        (void)execvp(args->words[0], args->words);
        r = -errno;
        output_error("cannot run \"%s\": %s", args->words[0], strerror(-r));
        return (enum exit_code)(r == -ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE);
}
