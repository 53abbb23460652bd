#include "daemon/front/aws_api.h"
#include "common/aws_profile.h"
#include "common/clock.h"
#include "common/creds.h"
#include "common/log.h"
#include "common/secret.h"
#include "common/sigv4.h"
#include "daemon/front/aws_clock.h"
#include "daemon/front/config.h"
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
        struct secret
                *mfa_code; /* until we know whether it went out; NULL for a call without one */
        char ca_bundle[PATH_LEN_MAX];
        char proxy[URL_MAX_LEN + 1];
        char clock_url[sizeof(((struct aws_endpoint *)NULL)->url)]; /* see aws_clock.h */
        aws_api_fn fn;
        void *userdata;
};

struct aws_api {
        sd_event *event;
        const struct config *config; /* these are lent */
        struct signer_client *signer;
        struct aws_clock *clock;
        char fetch_path[PATH_LEN_MAX];
        struct aws_api_call *calls;
        size_t n_calls;
};

int64_t aws_api_now_sec(const struct aws_api *a) {
        return aws_clock_now_sec(a->clock, "");
}

int64_t aws_api_clock_offset_sec(const struct aws_api *a, const struct aws_profile *profile) {
        struct aws_endpoint endpoint;
        bool is_custom = aws_endpoint_find(AWS_STS, &profile->where, &endpoint, NULL) >= 0 &&
                         endpoint.is_custom;

        return aws_clock_offset_sec(a->clock, is_custom ? endpoint.url : "");
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
                aws_clock_learn(call->api->clock, call->clock_url, answer->date_sec);
        }
        if (!answer->was_sent)
                forget_code(call);
        if (failure_from_fetch(&call->failure, answer, call->op, call->mfa_code != NULL,
                               offset_sec))
                finish(call, &call->failure, NULL);
        else
                finish(call, NULL, answer);
}

/* @http is taken. On failure nothing was sent. */
static int start_fetch(struct aws_api_call *call, struct aws_http_request *http) {
        struct fetch_request q = {.op = call->op, .http = *http};
        int r;

        *http = (struct aws_http_request){0};
        strcpy(q.ca_file, call->ca_bundle);
        strcpy(q.proxy, call->proxy);
        r = fetcher_start(call->api->event, call->api->fetch_path, &q, on_fetched, call,
                          &call->fetching);
        fetch_request_clear(&q);
        if (r < 0)
                (void)log_error(r, "cannot start \"%s\"", call->api->fetch_path);
        return r;
}

static const char no_fetch[] = "mfad-fetch cannot be started";

static void on_signed(int r, struct signer_answer *answer, void *userdata) {
        struct aws_api_call *call = userdata;

        call->signing = NULL;
        if (r < 0) {
                finish_failed(call, FAILURE_SEALED, "mfad-signer does not answer");
                return;
        }
        switch (answer->type) {
        case SIGNER_ANSWER_SIGNED:
                if (start_fetch(call, &answer->request) >= 0)
                        return;
                forget_code(call);
                finish_failed(call, FAILURE_INTERNAL, no_fetch);
                return;
        case SIGNER_ANSWER_REFUSED:
                failure_from_refusal(&call->failure, answer->refusal);
                finish(call, &call->failure, NULL);
                return;
        case SIGNER_ANSWER_STATUS:
        case SIGNER_ANSWER_DONE:
        case SIGNER_ANSWER_WRAPPED:
        case SIGNER_ANSWER_UNWRAPPED: break;
        }
        finish_failed(call, FAILURE_INTERNAL, "mfad-signer's answer makes no sense");
}

static int on_refusal(_unused_ sd_event_source *s, void *userdata) {
        struct aws_api_call *call = userdata;

        finish(call, &call->failure, NULL);
        return 0;
}

static int refuse_later(struct aws_api_call *call, enum failure_reason reason, const char *detail) {
        failure_set(&call->failure, reason, detail);
        return sd_event_add_defer(call->api->event, &call->refusal, on_refusal, call);
}

static enum aws_service service_of(enum aws_op op) {
        switch (op) {
        case AWS_OP_GET_SESSION_TOKEN:
        case AWS_OP_GET_CALLER_IDENTITY:
        case AWS_OP_ASSUME_ROLE: return AWS_STS;
        case AWS_OP_LIST_MFA_DEVICES: return AWS_IAM;
        case AWS_OP_GET_SIGNIN_TOKEN: return AWS_SIGNIN;
        case _AWS_OP_MAX: break;
        }
        abort();
}

/* All that is signed. Callers have checked the lengths. */
static void fill_call(const struct aws_api_call *call, const struct aws_api_request *request,
                      const struct aws_endpoint *endpoint, struct aws_call *q) {
        q->op = request->op;
        q->wall_sec = aws_clock_now_sec(call->api->clock, call->clock_url);
        q->duration_sec = request->duration_sec;
        q->role = request->role;
        strcpy(q->region, endpoint->region);
        strcpy(q->endpoint, endpoint->url);
        if (!call->mfa_code)
                return;
        strcpy(q->mfa_serial, request->mfa_serial);
        memcpy(q->mfa_code, request->mfa_code, sizeof(q->mfa_code));
}

static int ask_signer(struct aws_api_call *call, const struct aws_api_request *request,
                      const struct aws_endpoint *endpoint) {
        struct signer_request q = {.type = SIGNER_REQUEST_SIGN};
        int r;

        strcpy(q.key, request->key);
        fill_call(call, request, endpoint, &q.call);
        r = signer_client_ask(call->api->signer, &q, on_signed, call, &call->signing);
        explicit_bzero(&q, sizeof(q));
        return r;
}

static int sign_here(struct aws_api_call *call, const struct aws_api_request *request,
                     const struct aws_endpoint *endpoint, struct aws_http_request *ret) {
        struct aws_call q = {0};

        if (request->op == AWS_OP_GET_SIGNIN_TOKEN)
                return aws_signin_request_build(endpoint->url, request->creds,
                                                request->duration_sec, ret);
        fill_call(call, request, endpoint, &q);
        return aws_request_build(
                &q,
                &(struct sigv4_key){.access_key_id = request->creds->access_key_id,
                                    .secret_key = request->creds->secret_key,
                                    .session_token = secret_reveal(request->creds->session_token)},
                ret);
}

/* What a profile does not say, mfad.conf may. */
static void fill_way(struct aws_api_call *call, const struct aws_profile *profile) {
        const struct config *config = call->api->config;
        const char *ca = profile ? profile->ca_bundle : "", *proxy = profile ? profile->proxy : "";

        strcpy(call->ca_bundle, *ca ? ca : config->ca_bundle);
        strcpy(call->proxy, *proxy ? proxy : config->proxy);
}

static int start(struct aws_api_call *call, const struct aws_api_request *request) {
        const struct aws_where *where = request->profile ? &request->profile->where : &aws_nowhere;
        _cleanup_(aws_http_request_clear) struct aws_http_request http = {0};
        struct aws_endpoint endpoint;
        const char *why = NULL;
        int r;

        fill_way(call, request->profile);
        if (request->mfa_code) {
                assert(text_is_mfa_code(request->mfa_code));
                strcpy(call->mfa_serial, request->mfa_serial);
                /* its final NUL comes with the secret */
                r = secret_copy(request->mfa_code, strlen(request->mfa_code), &call->mfa_code);
                if (r < 0)
                        return r;
        }
        r = aws_endpoint_find(service_of(request->op), where, &endpoint, &why);
        if (r < 0)
                return refuse_later(call, FAILURE_UNUSABLE, why);
        strcpy(call->clock_url, endpoint.is_custom ? endpoint.url : "");
        if (request->key)
                return ask_signer(call, request, &endpoint);
        r = sign_here(call, request, &endpoint, &http);
        if (r == -EINVAL || r == -E2BIG)
                return refuse_later(call, FAILURE_UNUSABLE,
                                    "a value of the profile cannot be sent to AWS");
        if (r < 0)
                return r;
        return start_fetch(call, &http) < 0 ? refuse_later(call, FAILURE_INTERNAL, no_fetch) : 0;
}

int aws_api_ask(struct aws_api *a, const struct aws_api_request *request, aws_api_fn fn,
                void *userdata, struct aws_api_call **ret) {
        struct aws_api_call *call;
        int r;

        assert(fn);
        assert(request->key ? strlen(request->key) <= KEY_NAME_MAX : request->creds != NULL);

        if (a->n_calls >= AWS_API_CALLS_MAX)
                return -EBUSY;
        call = calloc(1, sizeof(*call));
        if (!call)
                return -ENOMEM;
        call->api = a;
        call->op = request->op;
        (void)snprintf(call->key, sizeof(call->key), "%s", request->key ? request->key : "");
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

int aws_api_new(sd_event *event, const struct config *config, struct signer_client *signer,
                struct aws_clock *clock, const char *fetch_path, struct aws_api **ret) {
        struct aws_api *a;

        if (strlen(fetch_path) >= sizeof(a->fetch_path))
                return -ENAMETOOLONG;
        a = calloc(1, sizeof(*a));
        if (!a)
                return -ENOMEM;
        a->event = sd_event_ref(event);
        a->config = config;
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
