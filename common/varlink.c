#include "common/varlink.h"
#include "common/encode.h"
#include "common/wiping.h"

#include <string.h>

void varlink_wipe_json(void) {
        wiping_install_json();
}

ssize_t varlink_frame(const struct buf *b) {
        const char *end = b->len > 0 ? memchr(b->data, '\0', b->len) : NULL;

        return end ? end - b->data : -1;
}

/* jansson recurses up to 2048 levels before it says no; this says no before jansson starts. Brackets
 * are counted outside of strings only; whether they match is jansson's question. */
static bool is_shallow(const char *text, size_t len) {
        bool in_string = false;
        unsigned depth = 0;

        for (size_t i = 0; i < len; i++) {
                char c = text[i];

                if (in_string) {
                        if (c == '\\')
                                i++;
                        else if (c == '"')
                                in_string = false;
                } else if (c == '"') {
                        in_string = true;
                } else if (c == '{' || c == '[') {
                        if (++depth > VARLINK_DEPTH_MAX)
                                return false;
                } else if ((c == '}' || c == ']') && depth > 0) {
                        depth--;
                }
        }
        return true;
}

int varlink_parse(const char *text, size_t len, json_t **ret) {
        json_t *message;

        if (!is_shallow(text, len))
                return -EBADMSG;
        /* no json_error_t: jansson would quote the text, which may be a passphrase, on our stack */
        message = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
        if (!json_is_object(message)) {
                json_decref(message);
                return -EBADMSG;
        }
        *ret = message;
        return 0;
}

static bool value_fits(const json_t *value, const struct varlink_field *f) {
        size_t len, max;
        json_int_t n;

        switch (f->type) {
        case VARLINK_STRING:
                if (!json_is_string(value))
                        return false;
                len = json_string_length(value);
                max = f->max > 0 ? (size_t)f->max : VARLINK_TEXT_MAX;
                return len >= (size_t)f->min && len <= max &&
                       text_is_printable(json_string_value(value), max);
        case VARLINK_INT:
                n = json_integer_value(value);
                return json_is_integer(value) && n >= f->min && n <= f->max;
        case VARLINK_BOOL: return json_is_boolean(value);
        }
        abort(); /* a table with no such type */
}

static bool field_is_known(const struct varlink_field *fields, const char *name) {
        for (const struct varlink_field *f = fields; f && f->name; f++)
                if (strcmp(f->name, name) == 0)
                        return true;
        return false;
}

int varlink_check(const json_t *parameters, const struct varlink_field *fields,
                  const char **ret_field) {
        const char *name;
        json_t *value;

        if (parameters && !json_is_object(parameters)) {
                *ret_field = "parameters";
                return -EINVAL;
        }
        for (const struct varlink_field *f = fields; f && f->name; f++) {
                value = json_object_get(parameters, f->name);
                if (!value || json_is_null(value)) {
                        if (f->is_optional)
                                continue;
                } else if (value_fits(value, f)) {
                        continue;
                }
                *ret_field = f->name;
                return -EINVAL;
        }
        /* iterating does not change the object; jansson's macro wants it writable all the same */
        json_object_foreach((json_t *)parameters, name, value) {
                if (!field_is_known(fields, name)) {
                        *ret_field = name;
                        return -EINVAL;
                }
        }
        return 0;
}

const char *varlink_string(const json_t *parameters, const char *name) {
        return json_string_value(json_object_get(parameters, name));
}

int64_t varlink_int(const json_t *parameters, const char *name, int64_t otherwise) {
        const json_t *value = json_object_get(parameters, name);

        return json_is_integer(value) ? json_integer_value(value) : otherwise;
}

bool varlink_bool(const json_t *parameters, const char *name, bool otherwise) {
        const json_t *value = json_object_get(parameters, name);

        return json_is_boolean(value) ? json_is_true(value) : otherwise;
}

/* Appends { @key: @name, "parameters": @parameters, @mark: true }; any of them may be NULL. */
static int put_message(struct buf *b, const char *key, const char *name, const json_t *parameters,
                       const char *mark) {
        json_t *message = json_object();
        size_t len = 0;
        char *at;
        int r = 0;

        if (!message)
                return -ENOMEM;
        if (key)
                r = json_object_set_new(message, key, json_string(name));
        if (r == 0 && parameters) /* borrowed: only the reference count changes */
                r = json_object_set(message, "parameters", (json_t *)parameters);
        if (r == 0 && mark)
                r = json_object_set_new(message, mark, json_true());
        if (r == 0)
                len = json_dumpb(message, NULL, 0, JSON_COMPACT);
        r = len > 0 ? buf_reserve(b, len + 1, &at) : -ENOMEM;
        if (r == 0) {
                (void)json_dumpb(message, at, len, JSON_COMPACT); /* same object, same length */
                at[len] = '\0';
                buf_commit(b, len + 1);
        }
        json_decref(message);
        return r;
}

int varlink_put_call(struct buf *b, const char *method, const json_t *parameters, bool more) {
        return put_message(b, "method", method, parameters, more ? "more" : NULL);
}

int varlink_put_reply(struct buf *b, const json_t *parameters, bool continues) {
        return put_message(b, NULL, NULL, parameters, continues ? "continues" : NULL);
}

int varlink_put_error(struct buf *b, const char *error, const json_t *parameters) {
        return put_message(b, "error", error, parameters, NULL);
}
