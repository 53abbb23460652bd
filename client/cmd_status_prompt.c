#include "client/call.h"
#include "client/commands.h"
#include "client/output.h"

#include <inttypes.h>
#include <string.h>

#define PATIENCE_MSEC 100       /* a shell waits for this before each prompt */
#define SOON_SEC      (30 * 60) /* from here on a new code is worth a thought */

/* How long the default key's session lasts; when that has none, the longest of the others. */
static int64_t seconds_left(const json_t *status) {
        const json_t *sessions = json_object_get(status, "sessions");
        const char *default_key = call_text(status, "default_key");
        int64_t longest = 0;

        for (size_t i = 0; i < json_array_size(sessions); i++) {
                const json_t *session = json_array_get(sessions, i);
                const char *key = call_text(session, "key");
                int64_t left = call_number(session, "seconds_left", 0);

                if (left > 0 && key && default_key && strcmp(key, default_key) == 0)
                        return left;
                longest = left > longest ? left : longest;
        }
        return longest;
}

static void say_left(int64_t left) {
        const char *mark = left < SOON_SEC ? "!" : "";

        if (left >= 60 * 60)
                output_say(OUTPUT_PLAIN, "aws %" PRId64 "h%s\n", left / (60 * 60), mark);
        else if (left >= 60)
                output_say(OUTPUT_PLAIN, "aws %" PRId64 "m%s\n", left / 60, mark);
        else
                output_say(OUTPUT_PLAIN, "aws %" PRId64 "s%s\n", left, mark);
}

/* Whatever is wrong, a prompt is not the place to say it. */
enum exit_code cmd_status_prompt(void) {
        json_auto_t *status = NULL;
        const char *vault;
        int64_t left;

        if (link_ask("control", CONTROL("GetStatus"), PATIENCE_MSEC, &status) != 0)
                return EXIT_CODE_OK;
        left = seconds_left(status);
        vault = call_text(status, "vault");
        if (left > 0)
                say_left(left);
        else if (vault && (strcmp(vault, "sealed") == 0 || strcmp(vault, "open") == 0))
                output_say(OUTPUT_PLAIN, "aws locked\n");
        return EXIT_CODE_OK;
}
