#include "daemon/fetch/signin_answer.h"
#include "common/fetch_proto.h"
#include "common/secret.h"
#include "daemon/fetch/aws_answer.h"

#include <stdio.h>
#include <string.h>
#include <jansson.h>

static int refuse(struct fetch_answer *a, const char *why) {
        a->outcome = FETCH_BAD_ANSWER;
        (void)snprintf(a->text, sizeof(a->text), "the answer %s", why);
        return 0;
}

/* Plain ASCII, as fetch_answer_decode() asks: it becomes part of a URL. */
static bool is_legal_token(const char *token, size_t len) {
        return len > 0 && len <= SIGNIN_TOKEN_MAX && text_is_graph(token, len) &&
               !strpbrk(token, "\"'\\");
}

static int take_token(const json_t *token, struct fetch_answer *a) {
        int r;

        if (!token)
                return refuse(a, "has no SigninToken");
        if (!json_is_string(token) ||
            !is_legal_token(json_string_value(token), json_string_length(token)))
                return refuse(a, "has an illegal SigninToken");
        r = secret_copy(json_string_value(token), json_string_length(token), &a->signin_token);
        if (r < 0)
                return r;
        a->outcome = FETCH_OK;
        return 0;
}

int signin_answer_read(const char *json, size_t len, struct fetch_answer *a) {
        json_error_t error; /* not shown: it quotes the text, which may be a token */
        json_t *root;
        int r;

        if (len > SIGNIN_ANSWER_MAX)
                return refuse(a, "is too big");
        /* what follows the value is refused, and so is a NUL in a string */
        root = json_loadb(json, len, JSON_REJECT_DUPLICATES, &error);
        if (!root && json_error_code(&error) == json_error_out_of_memory)
                return -ENOMEM;
        if (!root && json_error_code(&error) == json_error_duplicate_key)
                return refuse(a, "has the same field twice");
        if (!root)
                return refuse(a, "is not JSON");
        if (json_is_object(root))
                r = take_token(json_object_get(root, "SigninToken"), a);
        else
                r = refuse(a, "is no JSON object");
        json_decref(root);
        return r;
}

/* The text for people, of *@len bytes: the title of a page, or all of what is no page. */
static const char *find_reason(const char *body, size_t *len) {
        static const char open[] = "<title>";
        const char *title = memmem(body, *len, open, strlen(open)), *end;

        if (!title) {
                *len = memchr(body, '<', *len) ? 0 : *len;
                return body;
        }
        title += strlen(open);
        *len -= (size_t)(title - body);
        end = memchr(title, '<', *len);
        *len = end ? (size_t)(end - title) : 0;
        return title;
}

void signin_answer_read_error(const char *body, size_t len, struct fetch_answer *a) {
        char start[SIGNIN_REASON_MAX + 1], reason[SIGNIN_REASON_MAX + 1];
        const char *found = find_reason(body, &len);

        a->outcome = FETCH_AWS_ERROR;
        if (len > SIGNIN_REASON_MAX)
                len = SIGNIN_REASON_MAX;
        memcpy(start, found, len);
        start[len] = '\0';
        aws_answer_make_printable(start, reason, sizeof(reason));
        (void)snprintf(a->text, sizeof(a->text), "HTTP status %u%s%s", (unsigned)a->http_status,
                       reason[0] ? ": " : " without a reason", reason);
}
