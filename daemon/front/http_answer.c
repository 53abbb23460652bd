#include "daemon/front/http_answer.h"
#include "common/secret.h"

#include <microhttpd.h>
#include <time.h>

#define DATE_LEN 29 /* RFC 9110 section 5.6.7: "Sun, 22 Nov 2026 01:00:00 GMT" */

/* Exactly "application/json": Go v2 shows anything else, "; charset=utf-8" included, as plain text.
 * The rest keeps a browser from storing, sniffing, running or embedding what it should never have
 * got. No Server, no Retry-After (Go and JS would wait that long), no CORS header, ever. */
static const struct {
        const char *name;
        const char *value;
} headers[] = {
        {MHD_HTTP_HEADER_CONTENT_TYPE, "application/json"},
        {MHD_HTTP_HEADER_CACHE_CONTROL, "no-store"},
        {"X-Content-Type-Options", "nosniff"},
        {"Content-Security-Policy", "default-src 'none'; sandbox"},
        {"Cross-Origin-Resource-Policy", "same-origin"},
};

static int add_headers(struct MHD_Response *answer) {
        for (size_t i = 0; i < ELEMENTSOF(headers); i++) {
                int r = http_answer_add_header(answer, headers[i].name, headers[i].value);

                if (r < 0)
                        return r;
        }
        return 0;
}

static void on_body_sent(void *userdata) {
        struct secret *body = userdata;

        (void)secret_free(body); /* returns NULL by convention */
}

int http_answer_new(const char *body, size_t len, struct MHD_Response **ret) {
        _cleanup_(http_answer_freep) struct MHD_Response *answer = NULL;
        int r;

        answer = MHD_create_response_from_buffer(len, (char *)body, MHD_RESPMEM_MUST_COPY);
        if (!answer)
                return -ENOMEM;
        r = add_headers(answer);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(answer);
        return 0;
}

int http_answer_new_secret(struct secret *body, struct MHD_Response **ret) {
        _cleanup_(http_answer_freep) struct MHD_Response *answer = NULL;
        int r;

        answer = MHD_create_response_from_buffer_with_free_callback_cls(
                secret_len(body), secret_reveal(body), on_body_sent, body);
        if (!answer) {
                (void)secret_free(body); /* returns NULL by convention */
                return -ENOMEM;
        }
        r = add_headers(answer);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(answer);
        return 0;
}

int http_answer_add_header(struct MHD_Response *answer, const char *name, const char *value) {
        return MHD_add_response_header(answer, name, value) == MHD_YES ? 0 : -ENOMEM;
}

void http_answer_set_date(struct MHD_Response *answer, int64_t wall_sec) {
        time_t t = wall_sec;
        char date[DATE_LEN + 1];
        struct tm tm;

        if (gmtime_r(&t, &tm) && strftime(date, sizeof(date), "%a, %d %b %Y %T GMT", &tm) > 0)
                /* takes the place of the one before; on failure there is none, and MHD writes one */
                (void)MHD_add_response_header(answer, MHD_HTTP_HEADER_DATE, date);
}

struct MHD_Response *http_answer_free(struct MHD_Response *answer) {
        if (answer)
                MHD_destroy_response(answer);
        return NULL;
}
