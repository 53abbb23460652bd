#include "daemon/front/aws_api.h"
#include "common/aws_endpoint.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/secret.h"
#include "daemon/front/aws_clock.h"
#include "daemon/front/fetcher.h"
#include "daemon/front/signer_client.h"

#include <stdio.h>
#include <string.h>

struct aws_api_call {
        struct aws_api *api;
        struct aws_api_call *next;
        struct signer_call *signing; /* at most one of these two */
        struct fetcher *fetching;
        sd_event_source *refusal; /* tells a failure that was known at once */
        struct failure failure;
        enum aws_op op;
        char key[KEY_NAME_MAX + 1];
        char mfa_serial[MFA_SERIAL_MAX + 1];
        struct secret *mfa_code; /* until we know whether it went out */
        char ca_bundle[PATH_LEN_MAX];
        aws_api_fn fn;
        void *userdata;
};

struct aws_api {
        sd_event *event;
        struct signer_client *signer; /* lent */
        struct aws_clock *clock;      /* lent */
        char fetch_path[PATH_LEN_MAX];
        struct aws_api_call *calls;
        size_t n_calls;
};

int64_t aws_api_now_sec(const struct aws_api *a) {
        return aws_clock_now_sec(a->clock);
}

int64_t aws_api_clock_offset_sec(const struct aws_api *a) {
        return aws_clock_offset_sec(a->clock);
}

struct aws_api_call *aws_api_call_cancel(struct aws_api_call *call) {
        struct aws_api_call **at;

        if (!call)
                return NULL;
        for (at = &call->api->calls; *at != call; at = &(*at)->next)
                ;
        *at = call->next;
        call->api->n_calls--;
        (void)signer_call_cancel(call->signing); /* all of these return NULL */
        (void)fetcher_free(call->fetching);
        (void)sd_event_source_disable_unref(call->refusal);
        (void)secret_free(call->mfa_code);
        free(call);
        return NULL;
}

/* The call is gone when its caller hears of it. */
static void finish(struct aws_api_call *call, const struct failure *failure,
                   struct fetch_answer *answer) {
        struct failure copy = failure ? *failure : (struct failure){0};
        aws_api_fn fn;
        void *userdata;

        assert(call);

        fn = call->fn;
        userdata = call->userdata;
        (void)aws_api_call_cancel(call); /* always NULL */
        fn(failure ? &copy : NULL, failure ? NULL : answer, userdata);
}

static void finish_failed(struct aws_api_call *call, enum failure_reason reason,
                          const char *detail) {
        failure_set(&call->failure, reason, detail);
        finish(call, &call->failure, NULL);
}

/* No byte went out: the user may give the same code again. Without an answer from the signer he
 * hears "used before" for two minutes, which costs him one more code. */
static void forget_code(struct aws_api_call *call) {
        struct signer_request q = {.type = SIGNER_REQUEST_FORGET_CODE};
        int r;

        if (!call->mfa_code)
                return;
        strcpy(q.key, call->key);
        strcpy(q.call.mfa_serial, call->mfa_serial);
        memcpy(q.call.mfa_code, secret_reveal(call->mfa_code), sizeof(q.call.mfa_code));
        r = signer_client_ask(call->api->signer, &q, NULL, NULL, NULL);
        explicit_bzero(&q, sizeof(q));
        if (r < 0)
                (void)log_warning(r, "cannot tell mfad-signer that the code was not sent");
}

static void on_fetched(struct fetch_answer *answer, void *userdata) {
        struct aws_api_call *call = userdata;
        int64_t offset_sec = 0;

        call->fetching = NULL;
        if (answer->is_date_verified && answer->date_sec > 0) {
                offset_sec = answer->date_sec - clock_wall_sec();
                aws_clock_learn(call->api->clock, answer->date_sec);
        }
        if (!answer->was_sent)
                forget_code(call);
        if (failure_from_fetch(&call->failure, answer, call->op, offset_sec))
                finish(call, &call->failure, NULL);
        else
                finish(call, NULL, answer);
}

static void start_fetch(struct aws_api_call *call, struct aws_http_request *http) {
        struct fetch_request q = {.op = call->op, .http = *http};
        int r;

        *http = (struct aws_http_request){0}; /* taken */
        strcpy(q.ca_file, call->ca_bundle);
        r = fetcher_start(call->api->event, call->api->fetch_path, &q, on_fetched, call,
                          &call->fetching);
        fetch_request_clear(&q);
        if (r < 0) {
                (void)log_error(r, "cannot start \"%s\"", call->api->fetch_path);
                forget_code(call);
                finish_failed(call, FAILURE_INTERNAL, "mfad-fetch cannot be started");
        }
}

static void on_signed(int r, struct signer_answer *answer, void *userdata) {
        struct aws_api_call *call = userdata;

        call->signing = NULL;
        if (r < 0) {
                finish_failed(call, FAILURE_SEALED, "mfad-signer does not answer");
                return;
        }
        switch (answer->type) {
        case SIGNER_ANSWER_SIGNED: start_fetch(call, &answer->request); return;
        case SIGNER_ANSWER_REFUSED:
                failure_from_refusal(&call->failure, answer->refusal);
                finish(call, &call->failure, NULL);
                return;
        case SIGNER_ANSWER_STATUS:
        case SIGNER_ANSWER_DONE: break;
        }
        finish_failed(call, FAILURE_INTERNAL, "mfad-signer's answer makes no sense");
}

static int on_refusal(_unused_ sd_event_source *s, void *userdata) {
        struct aws_api_call *call = userdata;

        finish(call, &call->failure, NULL);
        return 0;
}

/* @q gets all that the signer signs. Returns -EINVAL when the profile's endpoint is of no use. */
static int fill_request(const struct aws_api *a, const struct aws_api_request *request,
                        struct signer_request *q) {
        struct aws_endpoint endpoint;
        int r;

        r = aws_endpoint_find(aws_op_service(request->op), request->region,
                              *request->endpoint_url ? request->endpoint_url : NULL, &endpoint);
        if (r < 0)
                return r;
        q->type = SIGNER_REQUEST_SIGN;
        q->call.op = request->op;
        q->call.wall_sec = aws_clock_now_sec(a->clock);
        (void)snprintf(q->key, sizeof(q->key), "%s", request->key); /* callers checked its length */
        (void)snprintf(q->call.region, sizeof(q->call.region), "%s", endpoint.region);
        (void)snprintf(q->call.endpoint, sizeof(q->call.endpoint), "%s", endpoint.url);
        if (request->op != AWS_OP_GET_SESSION_TOKEN)
                return 0;
        q->call.duration_sec = request->duration_sec;
        (void)snprintf(q->call.mfa_serial, sizeof(q->call.mfa_serial), "%s", request->mfa_serial);
        memcpy(q->call.mfa_code, request->mfa_code, sizeof(q->call.mfa_code));
        return 0;
}

static int refuse_later(struct aws_api_call *call, enum failure_reason reason, const char *detail) {
        failure_set(&call->failure, reason, detail);
        return sd_event_add_defer(call->api->event, &call->refusal, on_refusal, call);
}

static int start(struct aws_api_call *call, const struct aws_api_request *request) {
        struct signer_request q = {0};
        int r;

        strcpy(call->key, request->key);
        strcpy(call->ca_bundle, request->ca_bundle);
        if (request->op == AWS_OP_GET_SESSION_TOKEN) {
                assert(text_is_mfa_code(request->mfa_code));
                strcpy(call->mfa_serial, request->mfa_serial);
                /* its final NUL comes with the secret */
                r = secret_copy(request->mfa_code, strlen(request->mfa_code), &call->mfa_code);
                if (r < 0)
                        return r;
        }
        r = fill_request(call->api, request, &q);
        if (r < 0)
                return refuse_later(call, FAILURE_UNREACHABLE,
                                    "region or endpoint_url of the profile is not usable");
        r = signer_client_ask(call->api->signer, &q, on_signed, call, &call->signing);
        explicit_bzero(&q, sizeof(q));
        return r;
}

int aws_api_ask(struct aws_api *a, const struct aws_api_request *request, aws_api_fn fn,
                void *userdata, struct aws_api_call **ret) {
        struct aws_api_call *call;
        int r;

        assert(fn);
        assert(strlen(request->key) <= KEY_NAME_MAX);
        assert(strlen(request->ca_bundle) < PATH_LEN_MAX);

        if (a->n_calls >= AWS_API_CALLS_MAX)
                return -EBUSY;
        call = calloc(1, sizeof(*call));
        if (!call)
                return -ENOMEM;
        call->api = a;
        call->op = request->op;
        call->fn = fn;
        call->userdata = userdata;
        call->next = a->calls;
        a->calls = call;
        a->n_calls++;
        r = start(call, request);
        if (r < 0) {
                (void)aws_api_call_cancel(call); /* always NULL */
                return r;
        }
        if (ret)
                *ret = call;
        return 0;
}

int aws_api_new(sd_event *event, struct signer_client *signer, struct aws_clock *clock,
                const char *fetch_path, struct aws_api **ret) {
        struct aws_api *a;

        if (strlen(fetch_path) >= sizeof(a->fetch_path))
                return -ENAMETOOLONG;
        a = calloc(1, sizeof(*a));
        if (!a)
                return -ENOMEM;
        a->event = sd_event_ref(event);
        a->signer = signer;
        a->clock = clock;
        strcpy(a->fetch_path, fetch_path);
        *ret = a;
        return 0;
}

struct aws_api *aws_api_free(struct aws_api *a) {
        if (!a)
                return NULL;
        while (a->calls)
                (void)aws_api_call_cancel(a->calls); /* always NULL */
        (void)sd_event_unref(a->event);
        free(a);
        return NULL;
}
