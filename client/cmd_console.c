#include "client/browser.h"
#include "client/commands.h"
#include "client/call.h"
#include "client/output.h"
#include "common/encode.h"

#include <string.h>

#define CONSOLE_URL_MAX ((size_t)64 * 1024)

/* An address that a browser may be given: nothing that runs in it, nothing that a terminal obeys. */
static bool is_address(const char *text) {
        return (strncmp(text, "https://", 8) == 0 || strncmp(text, "http://127.0.0.1:", 17) == 0) &&
               text_is_graph(text, CONSOLE_URL_MAX);
}

static enum exit_code ask(const struct args *args, json_t **ret) {
        _cleanup_(link_freep) struct link *control = NULL;
        json_t *parameters = json_pack("{ss* ss*}", "profile", args->text[ARGS_PROFILE],
                                       "destination", args->text[ARGS_DESTINATION]);
        enum exit_code code = call_open("control", &control);

        if (code != EXIT_CODE_OK) {
                json_decref(parameters);
                return code;
        }
        output_progress("asking AWS ...");
        code = call_run(control, CONTROL("GetConsoleUrl"), parameters, CALL_AWS_SEC, ret);
        output_progress_end();
        return code;
}

static enum exit_code print(const char *url) {
        int r = output_raw(url, strlen(url));

        if (r >= 0)
                r = output_raw("\n", 1);
        if (r < 0 && r != -EPIPE)
                output_error("cannot write: %s", strerror(-r));
        return r < 0 ? EXIT_CODE_FAILURE : EXIT_CODE_OK;
}

static enum exit_code open_it(const char *url) {
        int r = browser_open(url, cmd_give_back_inherited);

        if (r >= 0) {
                output_say(OUTPUT_GOOD, "opened");
                output_say(OUTPUT_PLAIN, " in the browser\n");
                return EXIT_CODE_OK;
        }
        if (r == -ENOENT)
                output_error("there is no xdg-open, which finds the browser (package xdg-utils)");
        else if (r == -ENOEXEC)
                output_error("xdg-open found no browser that works here");
        else
                output_error("cannot open the browser: %s", strerror(-r));
        output_hint("to have the address printed instead, leave out --open");
        return EXIT_CODE_FAILURE;
}

enum exit_code cmd_console(const struct args *args) {
        const char *destination = args->text[ARGS_DESTINATION], *url;
        json_auto_t *answer = NULL;
        enum exit_code code;

        if (destination && !is_address(destination)) {
                output_error(
                        "--destination: an address such as https://console.aws.amazon.com/s3/");
                return EXIT_CODE_USAGE;
        }
        code = ask(args, &answer);
        if (code != EXIT_CODE_OK)
                return code;
        url = call_text(answer, "url");
        if (!url || !is_address(url)) {
                output_error("mfad answered with no address");
                return EXIT_CODE_FAILURE;
        }
        if (output_error_is_terminal())
                output_hint("good for 15 minutes; it signs in whoever has it");
        return args->is_set[ARGS_OPEN] ? open_it(url) : print(url);
}
