/* main.c - mfactl: talks to mfad and mfad-signer for the user at the terminal.
 * Owns:  the table of commands.
 * Calls: the commands.
 * Limit: one command a process. */
#include "client/args.h"
#include "client/commands.h"
#include "client/output.h"
#include "common/fs.h"
#include "common/log.h"
#include "common/process.h"
#include "common/secret.h"
#include "common/varlink.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define ASKS_PASSPHRASE ARGS_BIT(ARGS_PASSPHRASE_FD)
#define LENDS           (ARGS_BIT(ARGS_PROFILE))
#define IMPORTS                                                                                    \
        (ASKS_PASSPHRASE | ARGS_BIT(ARGS_FROM) | ARGS_BIT(ARGS_YES) |                              \
         ARGS_BIT(ARGS_REMOVE_PLAIN_KEYS))

struct cmd_inherited cmd_inherited;

static const struct command commands[] = {
        {"init", "[PROFILE]...", "first set-up: takes keys from ~/.aws/credentials into the vault",
         "Stores the keys, finds out whose they are and which MFA device they have, and offers to\n"
         "remove the plain ones, and to lead the whole login to mfad. May be run again at any time.\n"
         "Plain keys stay for all that --yes says, unless --remove-plain-keys stands beside it.\n",
         IMPORTS | ARGS_BIT(ARGS_NO_ENVIRONMENT), 0, -1, false, cmd_init},
        {"unlock", "[CODE]", "buy a session with a code of the MFA device",
         "Asks for the code unless it is given, and for the passphrase when the vault is sealed.\n"
         "A CODE given as an argument stays in the shell's history.\n",
         ASKS_PASSPHRASE | ARGS_BIT(ARGS_KEY) | ARGS_BIT(ARGS_DURATION) | ARGS_BIT(ARGS_CODE_STDIN),
         0, 2, false, cmd_unlock},
        {"lock", "", "drop all sessions", "Returns when nothing of them is left in memory.\n",
         ARGS_BIT(ARGS_SEAL), 0, 0, false, cmd_lock},
        {"status", "", "what is unlocked, until when, and what failed last",
         "Exit code 0: a session is unlocked; 4: none is; 3: mfad does not run. With --prompt it is\n"
         "always 0: \"aws 7h\", \"aws 12m!\" when it is soon over, \"aws locked\", or nothing.\n",
         ARGS_BIT(ARGS_JSON) | ARGS_BIT(ARGS_WATCH) | ARGS_BIT(ARGS_PROMPT), 0, 0, false,
         cmd_status},
        {"profiles", "", "every profile: its kind, state, time left and path",
         "What is wrong with a profile stands below it.\n",
         ARGS_BIT(ARGS_JSON) | ARGS_BIT(ARGS_NAMES), 0, 0, false, cmd_profiles},
        {"refresh", "[PROFILE]", "buy a role's credentials again, before their time",
         "The old ones are kept if that fails.\n", ARGS_BIT(ARGS_ALL), 0, 1, false, cmd_refresh},
        {"log", "", "who got credentials, who was refused, and what else happened",
         "The last thousand events, out of the journal; where there is none that can be read, those that\n"
         "mfad still has in memory: since its start, or since it was locked last.\n",
         ARGS_BIT(ARGS_FOLLOW) | ARGS_BIT(ARGS_JSON), 0, 0, false, cmd_log},
        {"env", "", "shell commands that lead AWS's SDKs to mfad",
         "sh, bash, zsh: eval \"$(mfactl env)\"       fish: mfactl env | source\n"
         "csh: eval \"`mfactl env`\"                  PowerShell: mfactl env | Out-String | iex\n",
         LENDS | ARGS_BIT(ARGS_SHELL) | ARGS_BIT(ARGS_TOKEN_FILE_ONLY), 0, 0, false, cmd_env},
        {"exec", "[--] COMMAND...", "run a command with that environment",
         "Fails with exit code 4 when the profile is locked.\n",
         LENDS | ARGS_BIT(ARGS_TOKEN_FILE_ONLY), 1, -1, true, cmd_exec},
        {"creds", "", "credentials as `credential_process` expects them",
         "In ~/.aws/config: credential_process = mfactl creds --profile NAME\n", LENDS, 0, 0, false,
         cmd_creds},
        {"export", "--to PROFILE",
         "put credentials into ~/.aws/credentials, for tools that need it",
         "A section that holds a long-term key is never written to.\n", LENDS | ARGS_BIT(ARGS_TO),
         0, 0, false, cmd_export},
        {"console", "", "an address that signs a browser in to the AWS console",
         "For a role's profile. Good for 15 minutes, for whoever has the address.\n",
         LENDS | ARGS_BIT(ARGS_DESTINATION) | ARGS_BIT(ARGS_OPEN), 0, 0, false, cmd_console},
        {"doctor", "", "look for what keeps AWS's SDKs from working with mfad",
         "Each check in a line, with what helps. Exit code 0: no problem was found; 1: one was.\n",
         ARGS_BIT(ARGS_JSON) | ARGS_BIT(ARGS_OFFLINE), 0, 0, false, cmd_doctor},
        {"key import", "[PROFILE]...", "copy plain keys from ~/.aws/credentials into the vault",
         NULL, IMPORTS, 0, -1, false, cmd_key_import},
        {"key add", "NAME", "put a key into the vault that is typed, or read from a pipe", NULL,
         ASKS_PASSPHRASE | ARGS_BIT(ARGS_KEY_STDIN) | ARGS_BIT(ARGS_YES), 1, 1, false, cmd_key_add},
        {"key list", "", "the keys in the vault, without what is secret", NULL,
         ASKS_PASSPHRASE | ARGS_BIT(ARGS_JSON), 0, 0, false, cmd_key_list},
        {"key test", "[NAME]", "ask AWS whose keys they are",
         "All keys, unless one is named. Needs no code. Exit code 7: AWS refuses one.\n",
         ASKS_PASSPHRASE | ARGS_BIT(ARGS_JSON), 0, 1, false, cmd_key_test},
        {"key remove", "NAME", "remove a key from the vault; IAM still knows it", NULL,
         ASKS_PASSPHRASE | ARGS_BIT(ARGS_YES), 1, 1, false, cmd_key_remove},
        {"vault passwd", "", "change the passphrase",
         "Unattended: the old passphrase is the first line of --passphrase-fd N, the new one the\n"
         "second; or give the option twice.\n",
         ASKS_PASSPHRASE, 0, 0, false, cmd_vault_passwd},
        {"vault seal", "", "close the vault; sessions go on", NULL, 0, 0, 0, false, cmd_vault_seal},
        {"vault status", "", "where the vault is, and whether it is open", NULL,
         ARGS_BIT(ARGS_JSON), 0, 0, false, cmd_vault_status},
};

static void print_usage(void) {
        output_say(OUTPUT_STRONG, "mfactl COMMAND [OPTION]...\n");
        output_say(OUTPUT_PLAIN,
                   "One MFA code, and every terminal has working AWS credentials.\n\n");
        for (size_t i = 0; i < ELEMENTSOF(commands); i++)
                output_say(OUTPUT_PLAIN, "    %-13s %s\n", commands[i].name, commands[i].summary);
        output_say(OUTPUT_PLAIN, "\nMore: mfactl COMMAND --help, or mfactl(1).\n");
}

/* Is @name the command whose words stand in @argv? Returns how many words it has, 0 when not. */
static int match(const char *name, int argc, char *argv[]) {
        const char *space = strchr(name, ' ');
        size_t first = space ? (size_t)(space - name) : strlen(name);

        if (strlen(argv[1]) != first || strncmp(argv[1], name, first) != 0)
                return 0;
        if (!space)
                return 1;
        return argc > 2 && strcmp(argv[2], space + 1) == 0 ? 2 : 0;
}

/* "key" alone, or with a word that is none of its commands: @word, or NULL. */
static enum exit_code unknown_command(char *argv[], const char *word) {
        bool is_help = word && (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0);
        size_t len = strlen(argv[1]);
        bool is_group = false;

        for (size_t i = 0; i < ELEMENTSOF(commands); i++) {
                if (strncmp(commands[i].name, argv[1], len) != 0 || commands[i].name[len] != ' ')
                        continue;
                if (!is_group && !is_help)
                        output_error("%s: what? One of:", argv[1]);
                is_group = true;
                if (is_help)
                        output_say(OUTPUT_PLAIN, "    mfactl %-13s %s\n", commands[i].name,
                                   commands[i].summary);
                else
                        output_hint("    mfactl %s", commands[i].name);
        }
        if (is_group && is_help)
                return EXIT_CODE_OK;
        if (!is_group) {
                output_error("there is no command \"%s\"", argv[1]);
                output_hint("run: mfactl --help");
        }
        return EXIT_CODE_USAGE;
}

static enum exit_code run(int argc, char *argv[]) {
        for (size_t i = 0; i < ELEMENTSOF(commands); i++) {
                int n_words = match(commands[i].name, argc, argv);
                enum exit_code code;
                struct args args;

                if (n_words == 0)
                        continue;
                code = args_parse(&commands[i], argc - n_words, argv + n_words, &args);
                if (code != EXIT_CODE_OK)
                        return code;
                if (args.is_set[ARGS_HELP]) {
                        args_help(&commands[i]);
                        return EXIT_CODE_OK;
                }
                return commands[i].run(&args);
        }
        return unknown_command(argv, argc > 2 ? argv[2] : NULL);
}

static void save_inherited(void) {
        cmd_inherited.umask = umask(077);
        cmd_inherited.is_sigpipe_ignored = signal(SIGPIPE, SIG_IGN) == SIG_IGN;
        (void)getrlimit(RLIMIT_CORE, &cmd_inherited.core); /* cannot fail for a known resource */
}

int main(int argc, char *argv[]) {
        enum exit_code code;
        int r;

        save_inherited();
        log_open("mfactl", LOG_LEVEL_WARNING);
        if (process_harden_client() < 0)
                return EXIT_CODE_FAILURE;
        varlink_wipe_json();
        output_open();
        if (secret_arena_open() < 0) {
                output_error("there is no memory for secrets");
                return EXIT_CODE_FAILURE;
        }

        if (argc < 2) {
                output_error("a command is missing");
                output_hint("run: mfactl --help");
                return EXIT_CODE_USAGE;
        }
        if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
                print_usage();
                code = EXIT_CODE_OK;
        } else if (strcmp(argv[1], "--version") == 0) {
                output_say(OUTPUT_PLAIN, "mfactl " MFAD_VERSION "\n");
                code = EXIT_CODE_OK;
        } else {
                code = run(argc, argv);
        }
        r = output_close();
        if (r < 0 && r != -EPIPE) /* who closes a pipe has seen enough */
                output_error("cannot write to standard output: %s", strerror(-r));
        if (r < 0 && code == EXIT_CODE_OK)
                code = EXIT_CODE_FAILURE;
        return (int)code;
}
