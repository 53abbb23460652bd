/* fuzz-http-bytes.c - raw bytes through libmicrohttpd and our real handlers, in pieces of any length. A
 * small strict parser, written from RFC 9112 and our rules and from nothing else, says what is legal: a 200
 * must have a legal request behind it, and a legal request must get its 200.
 * Input: a count of cuts, that many cut points (u16), then what the client sends. */
#include "daemon/front/http_in.c" /* its accept loop would refuse a socketpair */

#include <ctype.h>
#include <strings.h>

#define PORT     9912
#define TOKEN    "0123456789abcdefghijABCDEFGHIJ-_0123456789a"
#define MARKER   "marker-of-a-secret"
#define CUTS_MAX 16
#define SENT_MAX 16384
#define JUDGED_MAX                                                                                 \
        ((size_t)2000) /* longer heads may not fit into MHD's pool: then only the one way */
#define REQUESTS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum verdict {
        ILLEGAL,
        LEGAL_WRONG_TOKEN,
        LEGAL
};

/* --- what stands behind http_in.c --- */

static int answer(struct MHD_Connection *connection, unsigned status, const char *text) {
        struct MHD_Response *r =
                MHD_create_response_from_buffer(strlen(text), (char *)text, MHD_RESPMEM_PERSISTENT);
        int ok = MHD_queue_response(connection, status, r);

        MHD_destroy_response(r);
        return ok == MHD_YES ? 0 : -EIO;
}

int endpoint_answer(struct endpoint *e, struct endpoint_request *request,
                    struct MHD_Connection *connection, const struct http_call *call) {
        (void)e;
        (void)request;
        if (call->route == HTTP_ROUTE_HEALTH)
                return answer(connection, 200, MARKER);
        if (call->authorization.len == strlen(TOKEN) &&
            memcmp(call->authorization.text, TOKEN, strlen(TOKEN)) == 0)
                return answer(connection, 200, MARKER);
        return answer(connection, 403, "no");
}

int endpoint_refuse(struct endpoint *e, const struct endpoint_request *request,
                    struct MHD_Connection *connection, enum http_refusal refusal) {
        (void)e;
        (void)request;
        return answer(connection, http_refusal_text(refusal)->status, "no");
}

void endpoint_answer_held(struct endpoint *e) {
        (void)e;
}

void endpoint_on_resumed(struct endpoint *e, void (*fn)(void *userdata), void *userdata) {
        (void)e;
        (void)fn;
        (void)userdata;
}

/* --- the strict parser --- */

struct judgement {
        enum verdict verdict;
        bool may_end; /* it may have been the last one of its connection */
        bool is_odd;  /* MHD may take it or leave it */
};
struct line {
        const char *p;
        size_t len;
};
struct facts {
        unsigned hosts, tokens, lengths, n;
        bool is_bad, is_right_token;
        bool may_end; /* the client itself asked for the connection's end */
};

static bool line_is(const struct line *l, const char *text) {
        return l->len == strlen(text) && memcmp(l->p, text, l->len) == 0;
}

static bool name_is(const struct line *l, const char *text) {
        return l->len == strlen(text) && strncasecmp(l->p, text, l->len) == 0;
}

static bool name_starts(const struct line *l, const char *text) {
        return l->len >= strlen(text) && strncasecmp(l->p, text, strlen(text)) == 0;
}

/* One line with its end. Returns false when there is none. */
static bool take_line(const char **p, const char *end, struct line *ret) {
        const char *lf = memchr(*p, '\n', (size_t)(end - *p));

        if (!lf)
                return false;
        *ret = (struct line){*p, (size_t)(lf + 1 - *p)};
        *p = lf + 1;
        return true;
}

/* How many bytes of @l are its end: CRLF, or what MHD cannot tell from it once it has put NULs there. */
static size_t end_len(const struct line *l) {
        size_t n = 0;

        while (n < l->len && strchr("\r\n", l->p[l->len - 1 - n])) /* strchr() finds NUL as well */
                n++;
        return n;
}

/* MHD ends the head at a line whose first byte it has overwritten: that of an empty line, and ":". */
static bool ends_head(const struct line *l) {
        for (size_t i = 0; i < l->len; i++)
                if (l->p[i] != '\r' && l->p[i] != '\n' && l->p[i] != '\0' && l->p[i] != ':')
                        return false;
        return true;
}

static bool path_is_good(const struct line *path) {
        char text[2000] = "";

        if (path->len < 1 || path->len >= sizeof(text))
                return false;
        memcpy(text, path->p, path->len);
        if (strlen(text) != path->len || strstr(text, "//") || strstr(text, ".."))
                return false;
        for (const char *p = text; *p; p++)
                if (!isalnum((unsigned char)*p) && !strchr("._~/:=,@+-", *p))
                        return false;
        if (strcmp(text, "/") == 0 || strcmp(text, "/healthz") == 0)
                return true;
        if (strncmp(text, "/role-arn/", 10) == 0)
                return text[10] && strlen(text + 10) <= 1765;
        return strncmp(text, "/profile/", 9) == 0 && text[9] && strlen(text + 9) <= 384;
}

static bool is_blank(char c) {
        return c == ' ' || c == '\t';
}

static void note_header(const struct line *l, struct facts *f) {
        static const char *const forbidden[] = {
                "origin",         "referer",           "cookie", "forwarded",    "via",
                "x-real-ip",      "upgrade",           "expect", "sec-",         "x-forwarded",
                "http2-settings", "transfer-encoding", "proxy-", "content-type", "access-control-",
        };
        const char *colon = memchr(l->p, ':', l->len);
        struct line name, value;

        f->n++;
        if (!colon || colon == l->p) {
                f->is_bad = true;
                return;
        }
        name = (struct line){l->p, (size_t)(colon - l->p)};
        value = (struct line){colon + 1, l->len - name.len - 1};
        while (value.len > 0 && is_blank(value.p[0]))
                value.p++, value.len--;
        /* RFC 9110 section 5.5: nor are these of the value. Older versions of MHD leave them to us. */
        while (http_head_mhd_is_strict() && value.len > 0 && is_blank(value.p[value.len - 1]))
                value.len--;
        for (size_t i = 0; i < name.len; i++)
                f->is_bad |= !isalnum((unsigned char)name.p[i]) &&
                             (!name.p[i] || !strchr("!#$%&'*+-.^_`|~", name.p[i]));
        for (size_t i = 0; i < value.len; i++)
                f->is_bad |= value.p[i] < 0x20 || value.p[i] > 0x7e;
        for (size_t i = 0; i < ELEMENTSOF(forbidden); i++) {
                bool is_family = strchr("-d", forbidden[i][strlen(forbidden[i]) - 1]) != NULL &&
                                 strcmp(forbidden[i], "forwarded") != 0;

                f->is_bad |=
                        is_family ? name_starts(&name, forbidden[i]) : name_is(&name, forbidden[i]);
        }
        if (name_is(&name, "host")) {
                f->hosts++;
                f->is_bad |= !line_is(&value, "127.0.0.1") && !line_is(&value, "127.0.0.1:9912") &&
                             !line_is(&value, "localhost") && !line_is(&value, "localhost:9912") &&
                             !line_is(&value, "[::1]") && !line_is(&value, "[::1]:9912");
        } else if (name_is(&name, "authorization")) {
                f->tokens++;
                f->is_right_token = line_is(&value, TOKEN);
                f->tokens += value.len == 0; /* an empty one is none: now the count is wrong */
        } else if (name_is(&name, "content-length")) {
                f->lengths++;
                f->is_bad |= !line_is(&value, "0");
        } else if (name_is(&name, "connection")) {
                f->may_end = true;
        } else if (name_is(&name, "user-agent")) {
                for (size_t i = 0; i + 7 <= value.len; i++)
                        f->is_bad |= strncasecmp(value.p + i, "mozilla", 7) == 0;
        }
}

static bool request_line_is_good(const struct line *l, bool *ret_is_health) {
        static const char version[] = " HTTP/1.1\r\n";
        struct line path;

        if (l->len < 4 + strlen(version) || memcmp(l->p, "GET ", 4) != 0 ||
            memcmp(l->p + l->len - 2, "\r\n", 2) != 0)
                return false;
        path = (struct line){l->p + 4, l->len - 4 - strlen(version)};
        if (memcmp(path.p + path.len, " HTTP/1.1", 9) != 0 &&
            memcmp(path.p + path.len, " HTTP/1.0", 9) != 0)
                return false;
        *ret_is_health = line_is(&path, "/healthz");
        return path_is_good(&path);
}

/* Judges the request at *@p and moves past it. Returns false when there is no whole one left. */
static bool judge(const char **p, const char *end, struct judgement *ret) {
        struct facts f = {0};
        struct line l;
        bool is_health = false, is_good, is_old;
        const char *begin = *p;
        size_t ended;

        /* RFC 9112 section 2.2: empty lines before a request are skipped, one at least. Before 1.0 MHD takes
         * a line that begins with NUL for an empty one; nothing in it is looked at, so it is as harmless. */
        while (*p < end &&
               (**p == '\0' || **p == '\n' || (end - *p > 1 && !memcmp(*p, "\r\n", 2)))) {
                const char *lf = memchr(*p, '\n', (size_t)(end - *p));

                if (!lf)
                        return false;
                *p = lf + 1;
        }
        *ret = (struct judgement){
                .verdict = ILLEGAL,
                .is_odd = *p != begin && !(*p == begin + 2 && memcmp(begin, "\r\n", 2) == 0),
        };
        if (!take_line(p, end, &l))
                return false;
        is_good = request_line_is_good(&l, &is_health);
        is_old = is_good && l.p[l.len - 3] == '0'; /* HTTP/1.0 */
        for (ended = 2;; ended = end_len(&l)) {
                if (!take_line(p, end, &l))
                        return false;
                if (ends_head(&l))
                        break;
                ret->is_odd |= l.p[l.len - end_len(&l)] == '\0';
                f.is_bad |= ended != 2; /* only a head's last line may end otherwise: see below */
                note_header(&(struct line){l.p, l.len - end_len(&l)}, &f);
        }
        is_good &= ended + l.len == strlen("\r\n\r\n"); /* four bytes, whichever they were */
        ret->is_odd |= ended != 2 || l.len != 2 || l.p[0] != '\r';
        ret->may_end = f.may_end || is_old;
        if (!is_good || f.is_bad || f.hosts != 1 || f.lengths > 1 || f.n > HTTP_HEADERS_MAX)
                return true;
        if (is_health)
                ret->verdict = LEGAL;
        else if (f.tokens == 1)
                ret->verdict = f.is_right_token ? LEGAL : LEGAL_WRONG_TOKEN;
        return true;
}

/* --- the exchange --- */

static struct http_in *server(void) {
        static struct http_in *h;
        static sd_event *event;

        if (h)
                return h;
        h = calloc(1, sizeof(*h));
        assert(h);
        h->port = PORT;
        h->listen_fd = h->listen6_fd = h->diag_fd = h->reserve_fd = -EBADF;
        assert(sd_event_new(&event) >= 0);
        assert(start_mhd(h, event) >= 0);
        assert(add_timer(event, &h->deadline, on_deadline, "http-deadline", h) >= 0);
        return h;
}

/* As the loop would: a long queue of requests takes more than one turn. */
static void pump_all(struct http_in *h) {
        int is_more = SD_EVENT_OFF;

        do {
                assert(sd_event_source_set_enabled(h->more, SD_EVENT_OFF) >= 0);
                pump(h);
                assert(sd_event_source_get_enabled(h->more, &is_more) >= 0);
        } while (is_more != SD_EVENT_OFF);
}

static size_t exchange(const uint8_t *cuts, size_t n_cuts, const char *sent, size_t len, char *got,
                       size_t size) {
        struct sockaddr_in peer = {.sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        struct http_in *h = server();
        size_t at = 0, n_got = 0;
        int fds[2];

        assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
        serve(h, fds[0], (struct sockaddr *)&peer, sizeof(peer), 0);
        for (size_t i = 0; i <= n_cuts; i++) {
                size_t to =
                        i < n_cuts ? (size_t)(cuts[2 * i] | cuts[2 * i + 1] << 8) % (len + 1) : len;
                ssize_t n;

                if (to > at) {
                        (void)send(fds[1], sent + at, to - at,
                                   MSG_NOSIGNAL); /* it may have closed */
                        at = to;
                }
                pump_all(h);
                while ((n = recv(fds[1], got + n_got, size - 1 - n_got, 0)) > 0)
                        n_got += (size_t)n;
        }
        (void)close(fds[1]);
        pump_all(h);
        assert(h->n_connections == 0); /* nothing is left when the client has gone */
        got[n_got] = '\0';
        return n_got;
}

static void compare(const char *sent, size_t len, const char *got, size_t n_got) {
        const char *p = sent, *answers = got, *end = got + n_got;
        bool may_be_cut = len > JUDGED_MAX;
        struct judgement j;

        for (unsigned i = 0; i < REQUESTS_MAX && judge(&p, sent + len, &j); i++) {
                const char *next = answers < end ? strstr(answers + 1, "HTTP/1.1 ") : NULL;
                bool is_200 = answers < end && strncmp(answers, "HTTP/1.1 200", 12) == 0;
                const char *marker = answers < end ? strstr(answers, MARKER) : NULL;

                assert(!is_200 || j.verdict == LEGAL);
                assert(is_200 || j.verdict != LEGAL || j.is_odd || may_be_cut);
                /* the secret is in this answer exactly when it is a 200 */
                assert(is_200 == (marker && (!next || marker < next)));
                if (j.verdict == ILLEGAL || (j.is_odd && !is_200))
                        return; /* the connection has ended, or is about to */
                if (may_be_cut && answers >= end)
                        return;
                answers = next ? next : end;
                may_be_cut |= j.may_end;
        }
        assert(!strstr(answers, MARKER)); /* nor does a rest that is no request bring one */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static char got[REQUESTS_MAX * 1024];
        size_t n_cuts = size > 0 ? data[0] % (CUTS_MAX + 1) : 0, n_got;

        if (size < 1 + 2 * n_cuts || size - 1 - 2 * n_cuts > SENT_MAX)
                return 0;
        data++;
        size -= 1 + 2 * n_cuts;
        n_got = exchange(data, n_cuts, (const char *)data + 2 * n_cuts, size, got, sizeof(got));
        compare((const char *)data + 2 * n_cuts, size, got, n_got);
        return 0;
}
