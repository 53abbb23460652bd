#include "client/lend.h"
#include "client/output.h"

json_t *lend_parameters(const char *profile) {
        return profile ? json_pack("{ss}", "profile", profile) : NULL;
}

enum exit_code lend(struct link *control, const char *profile, json_t **ret, json_t **ret_region) {
        static const char *const fields[] = {"access_key_id", "secret_access_key", "session_token",
                                             "expiration"};
        json_auto_t *answer = NULL;
        enum exit_code code;
        json_t *creds;

        code = call_run(control, CONTROL("GetCredentials"), lend_parameters(profile), CALL_AWS_SEC,
                        &answer);
        if (code != EXIT_CODE_OK)
                return code;
        creds = json_object_get(answer, "credentials");
        for (size_t i = 0; i < ELEMENTSOF(fields); i++)
                if (!call_text(creds, fields[i])) {
                        output_error("mfad answered without %s", fields[i]);
                        return EXIT_CODE_FAILURE;
                }
        *ret = json_incref(creds);
        if (ret_region)
                *ret_region = json_incref(json_object_get(answer, "region"));
        return EXIT_CODE_OK;
}
