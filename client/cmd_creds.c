#include "client/call.h"
#include "client/commands.h"
#include "client/lend.h"

/* What `credential_process` expects (AWS SDKs and Tools Reference Guide, "Process credential provider"). */
static json_t *process_answer(const json_t *creds) {
        json_t *answer =
                json_pack("{si so so so so}", "Version", 1, "AccessKeyId",
                          json_incref(json_object_get(creds, "access_key_id")), "SecretAccessKey",
                          json_incref(json_object_get(creds, "secret_access_key")), "SessionToken",
                          json_incref(json_object_get(creds, "session_token")), "Expiration",
                          json_incref(json_object_get(creds, "expiration")));
        json_t *account = json_object_get(creds, "account_id");

        if (answer && json_is_string(account))
                (void)json_object_set(answer, "AccountId", account); /* SDKs do without it too */
        return answer;
}

enum exit_code cmd_creds(const struct args *args) {
        _cleanup_(link_freep) struct link *control = NULL;
        json_auto_t *creds = NULL, *answer = NULL;
        enum exit_code code;

        code = call_open("control", &control);
        if (code == EXIT_CODE_OK)
                code = lend(control, args->text[ARGS_PROFILE], &creds, NULL);
        if (code != EXIT_CODE_OK)
                return code;
        answer = process_answer(creds);
        return call_print_json(answer, true);
}
