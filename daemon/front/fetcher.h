/* fetcher.h - one mfad-fetch per call: started, given its request, heard, and gone.
 * Owns:  the child process and its socket.
 * Calls: common/fetch_proto.h, posix_spawn(3), sd-event.
 * Limit: FETCHER_TOTAL_SEC; then the child is killed. */
#pragma once
#include "common/fetch_proto.h"
#include "common/macros.h"
#include <systemd/sd-event.h>

#define FETCHER_TOTAL_SEC (FETCH_TOTAL_SEC + 2) /* its own limit, and time to say so */

struct fetcher;

/* The absolute path of mfad-fetch: it stands beside this program. Returns 0 or a negative errno. */
int fetcher_find(char ret_path[PATH_LEN_MAX]);

/* Runs when the child has exited, so that nothing of the call is left in any process but this one.
 * @answer is lent; it may take `creds` out by clearing it. A child that died without an answer counts
 * as FETCH_NO_ANSWER with was_sent: nobody knows better. */
typedef void (*fetcher_fn)(struct fetch_answer *answer, void *userdata);
/* SIGCHLD must be blocked. @fn runs exactly once, never before this returns, unless cancelled; the
 * fetcher is gone when it runs. Returns 0 or a negative errno: then nothing was sent. */
int fetcher_start(sd_event *event, const char *path, const struct fetch_request *request,
                  fetcher_fn fn, void *userdata, struct fetcher **ret);
/* Kills the child and waits for its end. After this @fn will not run. NULL is allowed. */
struct fetcher *fetcher_free(struct fetcher *f);
DEFINE_FREEP(struct fetcher, fetcher)
