/* http-fixture.h - the HTTP face on a real loopback port, with fakes behind it, and clients of it. Server and
 * clients share one thread.
 * Owns:  a server and its directory, new for each test; a client's connection and what it has heard.
 * Calls: http_in.h, endpoint.h, tokens.h, fake-front.h, cmocka.
 * Limit: one server at a time, ANSWER_MAX bytes of answer. */
#pragma once
#include "common/clock.h"
#include "common/macros.h"
#include "daemon/front/endpoint.h"
#include "daemon/front/http_in.h"
#include "daemon/front/tokens.h"
#include <stdbool.h>
#include <stdint.h>

#define ANSWER_MAX 32768
#define SOON_MSEC  1500 /* for what should come at once; long enough for a busy machine */

struct server {
        char path[64];
        int dir_fd;
        char token[TOKEN_LEN + 1];
        sd_event *event;
        struct tokens *tokens;
        struct endpoint *endpoint;
        struct http_in *http;
        uint16_t port, port6; /* port6: 0 when there is no IPv6 */
};

struct client {
        int fd;
        size_t len;
        bool is_closed;
        char answer[ANSWER_MAX];
};

/* For cmocka; *@state is the struct server. */
int set_up(void **state);
int tear_down(void **state);

/* One step of the event loop. */
void turn(struct server *s);
void run_for(struct server *s, unsigned msec);

struct client *client_new(const struct server *s);
struct client *client_free(struct client *c);
DEFINE_FREEP(struct client, client)
void client_send(struct client *c, const char *text);
void client_get_with(struct client *c, const struct server *s, const char *path, const char *token);
void client_get(struct client *c, const struct server *s, const char *path);
/* Reads what has come. */
void client_take(struct client *c);
/* Whether a whole answer has come: its length is that of the head plus Content-Length. */
bool client_has_answer(const struct client *c);
unsigned status_of(const struct client *c);

bool run_until_answer(struct server *s, struct client *c, unsigned msec);
bool run_until_closed(struct server *s, struct client *c, unsigned msec);
/* Waits for the answer and forgets it: @status, with @text somewhere in it. */
void expect(struct server *s, struct client *c, unsigned status, const char *text);
/* The same for a GET on a connection of its own. */
void ask(struct server *s, const char *path, unsigned status, const char *text);
