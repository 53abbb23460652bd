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

/* Undoes process_harden_client(): it is for this program, not for what it becomes. */
static void give_back_inherited(void) {
        (void)umask(cmd_inherited.umask);
        /* only the soft limit was lowered; that never fails to go back up */
        (void)setrlimit(RLIMIT_CORE, &cmd_inherited.core);
        if (!cmd_inherited.is_sigpipe_ignored)
                (void)signal(SIGPIPE, SIG_DFL);
}

enum exit_code cmd_exec(const struct args *args) {
        _cleanup_(environment_freep) struct environment *environment = NULL;
        _cleanup_(link_freep) struct link *control = NULL;
        const char *profile = args->text[ARGS_PROFILE];
        json_auto_t *creds = NULL;
        enum exit_code code;
        int r;

        code = call_open("control", &control);
        if (code == EXIT_CODE_OK)
                code = lend(control, profile, &creds);
        if (code == EXIT_CODE_OK)
                code = endpoint_check(control, profile, !args->is_set[ARGS_TOKEN_FILE_ONLY],
                                      call_text(creds, "expiration"), &environment);
        if (code != EXIT_CODE_OK)
                return code;
        json_decref(creds); /* wiped before anything else runs in this process */
        creds = NULL;
        r = environment_apply(environment);
        if (r < 0) {
                output_error("%s", strerror(-r));
                return EXIT_CODE_FAILURE;
        }
        give_back_inherited();
        (void)execvp(args->words[0], args->words);
        r = -errno;
        output_error("cannot run \"%s\": %s", args->words[0], strerror(-r));
        return (enum exit_code)(r == -ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE);
}
