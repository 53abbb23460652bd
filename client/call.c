#include "client/call.h"
#include "client/output.h"
#include "common/buf.h"
#include "common/varlink.h"

#include <string.h>

#define CALL_JSON_MAX (256 * VARLINK_OUT_MAX) /* all profiles, indented, and escaped */

enum exit_code call_open(const char *socket, struct link **ret) {
        int r = link_open(socket, ret);

        return r < 0 ? errors_link(socket, r) : EXIT_CODE_OK;
}

static const char *socket_of(const char *method) {
        return strncmp(method, VAULT(""), strlen(VAULT(""))) == 0 ? "vault" : "control";
}

enum exit_code call_try(struct link *l, const char *method, json_t *parameters,
                        unsigned timeout_sec, char ret_error[LINK_ERROR_MAX], json_t **ret) {
        const struct errors_entry *entry;
        int r;

        ret_error[0] = '\0';
        r = link_call(l, method, parameters, timeout_sec, ret_error, ret);
        if (r < 0) {
                ret_error[0] = '\0';
                return errors_link(socket_of(method), r);
        }
        if (r == 0)
                return EXIT_CODE_OK;
        entry = errors_find(ret_error);
        return entry ? entry->code : EXIT_CODE_FAILURE;
}

enum exit_code call_run(struct link *l, const char *method, json_t *parameters,
                        unsigned timeout_sec, json_t **ret) {
        char error[LINK_ERROR_MAX];
        json_auto_t *answer = NULL;
        enum exit_code code;

        code = call_try(l, method, parameters, timeout_sec, error, &answer);
        if (code != EXIT_CODE_OK)
                return error[0] ? errors_service(error, answer) : code;
        if (ret) {
                *ret = answer;
                answer = NULL;
        }
        return EXIT_CODE_OK;
}

const char *call_text(const json_t *object, const char *name) {
        return json_string_value(json_object_get(object, name));
}

int64_t call_number(const json_t *object, const char *name, int64_t otherwise) {
        const json_t *value = json_object_get(object, name);

        return json_is_integer(value) ? json_integer_value(value) : otherwise;
}

static int put_json(const char *bytes, size_t len, void *userdata) {
        return buf_put(userdata, bytes, len) < 0 ? -1 : 0;
}

enum exit_code call_print_json(const json_t *object, bool is_compact) {
        _cleanup_(buf_clear) struct buf text = BUF_INIT(CALL_JSON_MAX);
        int r;

        /* escaped beyond ASCII: a name from elsewhere cannot steer the terminal */
        if (!object ||
            json_dump_callback(object, put_json, &text,
                               JSON_ENSURE_ASCII | (is_compact ? JSON_COMPACT : JSON_INDENT(2))) <
                    0 ||
            buf_puts(&text, "\n") < 0) {
                output_error("%s", strerror(ENOMEM));
                return EXIT_CODE_FAILURE;
        }
        r = output_raw(text.data, text.len);
        if (r < 0 && r != -EPIPE) /* a reader that has seen enough needs no word */
                output_error("cannot write: %s", strerror(-r));
        return r < 0 ? EXIT_CODE_FAILURE : EXIT_CODE_OK;
}
