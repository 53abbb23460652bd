#include "daemon/signer/policy.h"
#include "common/aws_endpoint.h"
#include "common/aws_request.h"

#include <stdlib.h>

static enum policy_result check_mfa(const struct aws_call *call, uint32_t duration_sec_max) {
        if (!text_is_mfa_serial(call->mfa_serial))
                return POLICY_NO_SERIAL;
        if (!text_is_mfa_code(call->mfa_code))
                return POLICY_NO_CODE;
        if (call->duration_sec < AWS_DURATION_SEC_MIN || call->duration_sec > duration_sec_max)
                return POLICY_DURATION;
        return POLICY_ALLOWED;
}

static enum policy_result check_session_token(const struct aws_call *call) {
        return call->role ? POLICY_STRAY_FIELD : check_mfa(call, AWS_DURATION_SEC_MAX);
}

/* AWS would take it without a code, and then a role that asks for none could be assumed at any time. */
static enum policy_result check_assume_role(const struct aws_call *call) {
        if (!call->role || !aws_role_is_legal(call->role, NULL))
                return POLICY_ROLE;
        return check_mfa(call, AWS_ROLE_SEC_MAX);
}

/* A code in a request that has no use for it would be burnt or leaked for nothing. */
static enum policy_result check_plain(const struct aws_call *call) {
        if (*call->mfa_serial || *call->mfa_code || call->duration_sec != 0 || call->role)
                return POLICY_STRAY_FIELD;
        return POLICY_ALLOWED;
}

static enum policy_result check_operation(const struct aws_call *call) {
        switch (call->op) {
        case AWS_OP_GET_SESSION_TOKEN: return check_session_token(call);
        case AWS_OP_LIST_MFA_DEVICES:
        case AWS_OP_GET_CALLER_IDENTITY: return check_plain(call);
        case AWS_OP_ASSUME_ROLE: return check_assume_role(call);
        case AWS_OP_GET_SIGNIN_TOKEN: /* carries credentials, and no signature */
        case _AWS_OP_MAX: return POLICY_OPERATION;
        }
        return POLICY_OPERATION; /* it came from outside: any number is possible */
}

enum policy_result policy_check(const struct aws_call *call, int64_t now_sec) {
        char host[URL_MAX_LEN + 1];
        enum policy_result result;

        result = check_operation(call);
        if (result != POLICY_ALLOWED)
                return result;
        if (!text_is_region(call->region))
                return POLICY_REGION;
        if (aws_endpoint_check(call->endpoint, host, sizeof(host)) < 0)
                return POLICY_ENDPOINT;
        if (call->wall_sec < now_sec - POLICY_CLOCK_SEC_MAX ||
            call->wall_sec > now_sec + POLICY_CLOCK_SEC_MAX)
                return POLICY_CLOCK;
        return POLICY_ALLOWED;
}

const char *policy_name(enum policy_result result) {
        switch (result) {
        case POLICY_ALLOWED: return "nothing";
        case POLICY_OPERATION: return "the operation";
        case POLICY_REGION: return "the region";
        case POLICY_ENDPOINT: return "the endpoint";
        case POLICY_CLOCK: return "the time";
        case POLICY_NO_SERIAL: return "the MFA serial";
        case POLICY_NO_CODE: return "the MFA code";
        case POLICY_DURATION: return "the duration";
        case POLICY_ROLE: return "the role or one of its parameters";
        case POLICY_STRAY_FIELD: return "a parameter that the operation does not have";
        }
        abort();
}
