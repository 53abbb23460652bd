#include "client/passphrase_command.h"
#include "client/child.h"
#include "client/mfad_conf.h"
#include "client/output.h"
#include "client/prompt.h"
#include "common/fs.h"
#include "common/secret.h"

#include <stdio.h>
#include <string.h>

static int say_why(char ret_why[PASSPHRASE_COMMAND_WHY_MAX], int r, const char *why) {
        (void)snprintf(ret_why, PASSPHRASE_COMMAND_WHY_MAX, "%s", why);
        return r;
}

/* The first line of @len bytes at @text: what a key store holds below it are notes. */
static int take_line(const char *text, size_t len, struct secret **ret,
                     char ret_why[PASSPHRASE_COMMAND_WHY_MAX]) {
        const char *end = memchr(text, '\n', len);

        if (end)
                len = (size_t)(end - text);
        if (len > 0 && text[len - 1] == '\r')
                len--;
        if (len == 0)
                return say_why(ret_why, -ENODATA, "printed nothing");
        if (len > PROMPT_LINE_MAX)
                return say_why(ret_why, -E2BIG, "printed a line that is too long");
        return secret_copy(text, len, ret);
}

static int judge(int r, char ret_why[PASSPHRASE_COMMAND_WHY_MAX]) {
        if (r == 0)
                return 0;
        if (r == -ETIMEDOUT)
                return say_why(ret_why, r, "took too long, and was ended");
        if (r == -E2BIG)
                return say_why(ret_why, r, "printed too much, and was ended");
        if (r < 0)
                return say_why(ret_why, r, strerror(-r));
        (void)snprintf(ret_why, PASSPHRASE_COMMAND_WHY_MAX, "failed with exit code %d", r);
        return -ENOEXEC;
}

int passphrase_command_run(const char *command, unsigned timeout_sec, struct secret **ret,
                           char ret_why[PASSPHRASE_COMMAND_WHY_MAX]) {
        const char *argv[] = {"/bin/sh", "-c", command, NULL};
        _cleanup_(secret_freep) struct secret *printed = NULL;
        struct child_wish wish = {.argv = argv,
                                  .timeout_msec = timeout_sec * 1000,
                                  .is_seen = true,
                                  .size = PASSPHRASE_COMMAND_OUTPUT_MAX};
        size_t len = 0;
        int r = secret_new(PASSPHRASE_COMMAND_OUTPUT_MAX, &printed);

        if (r >= 0) {
                wish.out = secret_reveal(printed);
                r = child_run(&wish, &len);
        }
        r = judge(r, ret_why);
        if (r < 0)
                return r;
        r = take_line(wish.out, len, ret, ret_why);
        return r == -ENOMEM ? say_why(ret_why, r, strerror(-r)) : r;
}

static void read_conf(struct mfad_conf *ret) {
        struct fs_places places;

        *ret = (struct mfad_conf){0};
        if (fs_places(&places) >= 0)
                (void)mfad_conf_read(&places, ret); /* what cannot be read names no command */
}

bool passphrase_command_is_there(void) {
        struct mfad_conf conf;

        read_conf(&conf);
        return *conf.passphrase_command;
}

enum passphrase_command_result passphrase_command(struct secret **ret) {
        char why[PASSPHRASE_COMMAND_WHY_MAX] = "";
        struct mfad_conf conf;

        read_conf(&conf);
        if (!*conf.passphrase_command)
                return PASSPHRASE_COMMAND_NONE;
        if (!conf.is_command_safe) {
                output_error(
                        "others could have written the passphrase_command in %s: it is not run",
                        conf.passphrase_command_file);
                output_hint("look at it, and then run: chmod go-w %s and its folder",
                            conf.passphrase_command_file);
                return PASSPHRASE_COMMAND_FAILED;
        }
        if (passphrase_command_run(conf.passphrase_command, PASSPHRASE_COMMAND_SEC, ret, why) >= 0)
                return PASSPHRASE_COMMAND_GIVEN;
        output_error("passphrase_command %s", why);
        output_hint("it stands in %s", conf.passphrase_command_file);
        return PASSPHRASE_COMMAND_FAILED;
}
