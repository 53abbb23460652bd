#include "client/args.h"
#include "client/output.h"
#include "common/encode.h"
#include "common/macros.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

static const struct {
        const char *name;
        const char *argument; /* NULL: takes none */
        const char *help;
} options[_ARGS_OPTION_MAX] = {
        [ARGS_PROFILE] = {"profile", "NAME", "the AWS profile (else the default one)"},
        [ARGS_KEY] = {"key", "NAME", "the key, or a profile that it is for (else the default one)"},
        [ARGS_ALL] = {"all", NULL, "every role whose credentials are held"},
        [ARGS_TO] = {"to", "PROFILE", "the section of ~/.aws/credentials to write"},
        [ARGS_DESTINATION] = {"destination", "URL", "the page of the console to show"},
        [ARGS_OPEN] = {"open", NULL, "open it in the browser instead of printing it"},
        [ARGS_DURATION] = {"duration", "TIME",
                           "how long it lasts: 15m to 36h (else by mfad.conf, 12h)"},
        [ARGS_FROM] = {"from", "FILE", "a credentials file other than ~/.aws/credentials"},
        [ARGS_SHELL] = {"shell", "SHELL", "sh, fish, csh or powershell (else by $SHELL)"},
        [ARGS_PASSPHRASE_FD] = {"passphrase-fd", "N", "read the passphrase from descriptor N"},
        [ARGS_CODE_STDIN] = {"code-stdin", NULL, "read the code from standard input"},
        [ARGS_KEY_STDIN] = {"key-stdin", NULL,
                            "read the key's id and its secret, a line each, from standard input"},
        [ARGS_TOKEN_FILE_ONLY] =
                {"token-file-only", NULL,
                 "name the token's file, but not the token (for SDKs of 2024 and later)"},
        [ARGS_REMOVE_PLAIN_KEYS] = {"remove-plain-keys", NULL,
                                    "remove what was imported from the credentials file"},
        [ARGS_NO_ENVIRONMENT] = {"no-environment", NULL,
                                 "take the variables out of the login again; nothing else"},
        [ARGS_SEAL] = {"seal", NULL, "also close the vault"},
        [ARGS_WATCH] = {"watch", NULL, "go on, and print every change"},
        [ARGS_FOLLOW] = {"follow", NULL, "go on, and print what happens; also -f"},
        [ARGS_PROMPT] = {"prompt", NULL, "a few letters for a shell's prompt, or nothing"},
        [ARGS_NAMES] = {"names", NULL, "print the names only, one a line"},
        [ARGS_OFFLINE] = {"offline", NULL, "do not ask AWS anything"},
        [ARGS_YES] = {"yes", NULL, "answer yes to every question"},
        [ARGS_JSON] = {"json", NULL, "print JSON"},
        [ARGS_HELP] = {"help", NULL, "print this"},
};

static enum exit_code usage(const struct command *command, const char *problem, const char *what) {
        output_error("%s: %s%s%s", command->name, problem, what ? " " : "", what ? what : "");
        output_hint("run: mfactl %s --help", command->name);
        return EXIT_CODE_USAGE;
}

static bool take_passphrase_fd(struct args *args, const char *text) {
        size_t digits = strspn(text, "0123456789");

        if (digits == 0 || digits > 6 || text[digits] != '\0')
                return false;
        args->new_passphrase_fd = atoi(text);
        if (args->passphrase_fd < 0)
                args->passphrase_fd = args->new_passphrase_fd;
        return true;
}

/* Names and addresses go to the daemons as JSON: what is no text cannot be one, and must not be taken for
 * none at all. */
static bool is_text(enum args_option option, const char *value) {
        bool is_sent = option == ARGS_PROFILE || option == ARGS_KEY || option == ARGS_TO ||
                       option == ARGS_DESTINATION;

        return !is_sent || (*value && text_is_printable(value, ARGS_TEXT_MAX));
}

/* The options of @command as getopt_long(3) wants them. */
static void list_options(const struct command *command, struct option *list) {
        int n = 0;

        for (int i = 0; i < _ARGS_OPTION_MAX; i++)
                if (i == ARGS_HELP || (command->options & ARGS_BIT(i)))
                        list[n++] = (struct option){options[i].name,
                                                    options[i].argument ? required_argument
                                                                        : no_argument,
                                                    NULL, i + 256};
        list[n] = (struct option){0};
}

static const char *short_options(const struct command *command) {
        if (command->is_prefix)
                return "+:h";
        return command->options & ARGS_BIT(ARGS_FOLLOW) ? ":hf" : ":h";
}

enum exit_code args_parse(const struct command *command, int argc, char *argv[], struct args *ret) {
        struct option list[_ARGS_OPTION_MAX + 1];
        struct args args = {.passphrase_fd = -1, .new_passphrase_fd = -1};
        int found;

        list_options(command, list);
        opterr = 0; /* the messages are ours */
        for (;;) {
                found = getopt_long(argc, argv, short_options(command), list, NULL);
                if (found < 0)
                        break;
                if (found == ':')
                        return usage(command, "an argument is missing after", argv[optind - 1]);
                if (found == '?')
                        return usage(command, "unknown option", argv[optind - 1]);
                found = found == 'h' ? ARGS_HELP : found == 'f' ? ARGS_FOLLOW : found - 256;
                args.is_set[found] = true;
                args.text[found] = optarg;
                if (!is_text((enum args_option)found, optarg))
                        return usage(command, "this is no name:", *optarg ? optarg : "(empty)");
                if (found == ARGS_PASSPHRASE_FD && !take_passphrase_fd(&args, optarg))
                        return usage(command, "--passphrase-fd takes the number of an open file",
                                     NULL);
        }
        args.words = argv + optind;
        args.n_words = argc - optind;
        if (args.is_set[ARGS_HELP]) {
                *ret = args;
                return EXIT_CODE_OK;
        }
        if (args.n_words < command->words_min)
                return usage(command, "missing:", command->words);
        /* not shown: it may be a code or a passphrase in the wrong place */
        if (command->words_max >= 0 && args.n_words > command->words_max)
                return usage(command, "too many arguments", NULL);
        *ret = args;
        return EXIT_CODE_OK;
}

void args_help(const struct command *command) {
        output_say(OUTPUT_STRONG, "mfactl %s", command->name);
        output_say(OUTPUT_PLAIN, "%s%s%s\n    %s\n", command->options ? " [OPTION]..." : "",
                   *command->words ? " " : "", command->words, command->summary);
        if (command->details)
                output_say(OUTPUT_PLAIN, "\n%s", command->details);
        output_say(OUTPUT_PLAIN, "\nOptions:\n");
        for (int i = 0; i < _ARGS_OPTION_MAX; i++) {
                char name[64];

                if (i != ARGS_HELP && !(command->options & ARGS_BIT(i)))
                        continue;
                (void)snprintf(name, sizeof(name), "--%s%s%s", options[i].name,
                               options[i].argument ? " " : "",
                               options[i].argument ? options[i].argument : "");
                output_say(OUTPUT_PLAIN, "    %-22s %s\n", name, options[i].help);
        }
}
