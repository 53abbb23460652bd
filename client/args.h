/* args.h - the command line: which command, its options, its words.
 * Owns:  nothing; every string is lent from argv.
 * Calls: getopt_long(3), output.h.
 * Limit: none.
 * A command says in its table entry which options it takes; their names and help stand in one table. */
#pragma once
#include "client/errors.h"
#include <stdbool.h>

enum args_option {
        ARGS_PROFILE,
        ARGS_KEY,
        ARGS_ALL,
        ARGS_TO,
        ARGS_DESTINATION,
        ARGS_OPEN,
        ARGS_DURATION,
        ARGS_FROM,
        ARGS_SHELL,
        ARGS_PASSPHRASE_FD,
        ARGS_CODE_STDIN,
        ARGS_KEY_STDIN,
        ARGS_TOKEN_FILE_ONLY,
        ARGS_REMOVE_PLAIN_KEYS,
        ARGS_NO_ENVIRONMENT,
        ARGS_SEAL,
        ARGS_WATCH,
        ARGS_FOLLOW,
        ARGS_PROMPT,
        ARGS_NAMES,
        ARGS_OFFLINE,
        ARGS_YES,
        ARGS_JSON,
        ARGS_HELP, /* every command takes it */
        _ARGS_OPTION_MAX,
};
#define ARGS_BIT(option) (1U << (option))

struct args {
        const char *text[_ARGS_OPTION_MAX]; /* the argument of an option that has one, else NULL */
        bool is_set[_ARGS_OPTION_MAX];
        int passphrase_fd;     /* -1 when not given */
        int new_passphrase_fd; /* when the option is given twice, the second; else the same */
        char **words;          /* what is left; n_words of them, then NULL */
        int n_words;
};

struct command {
        const char *name;         /* "unlock", "key import" */
        const char *words;        /* as --help shows them: "[CODE]" */
        const char *summary;      /* one line for the list of commands */
        const char *details;      /* more lines for --help, each ending in a newline; or NULL */
        unsigned options;         /* ARGS_BIT()s */
        int words_min, words_max; /* -1: any number */
        bool is_prefix;           /* options end at the first word: what follows is a command */
        enum exit_code (*run)(const struct args *args);
};

/* The limit of a name or an address in an option: what the daemons take. */
#define ARGS_TEXT_MAX 2048

/* Reads @argv, whose first element is the last word of the command's name. Returns EXIT_CODE_OK or
 * EXIT_CODE_USAGE. */
enum exit_code args_parse(const struct command *command, int argc, char *argv[], struct args *ret);
/* Prints `mfactl COMMAND --help`. */
void args_help(const struct command *command);
