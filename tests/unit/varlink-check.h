/* varlink-check.h - compares a .varlink text with the method table that serves it.
 * Owns:  nothing.
 * Calls: cmocka's assertions, so include it after cmocka.h.
 * Limit: parameters of the types string, int and bool, as struct varlink_field knows them. */
#pragma once
#include "daemon/shared/varlink_server.h"

#include <stdbool.h>
#include <string.h>

/* The next word or sign of the interface language; comments and white space are skipped. */
static const char *varlink_check_token(const char *p, char *out, size_t size) {
        size_t n = 0;

        for (;;) {
                p += strspn(p, " \t\n");
                if (*p != '#')
                        break;
                p += strcspn(p, "\n");
        }
        if (strncmp(p, "->", 2) == 0)
                n = 2;
        else {
                while (p[n] && strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                      "0123456789_.",
                                      p[n]))
                        n++;
                if (n == 0 && *p)
                        n = 1;
        }
        assert_true(n < size);
        memcpy(out, p, n);
        out[n] = '\0';
        return p + n;
}

static void varlink_check_field(const char *method, const struct varlink_field *fields,
                                const char *name, const char *type, bool is_optional) {
        static const char *const names[] = {
                [VARLINK_STRING] = "string", [VARLINK_INT] = "int", [VARLINK_BOOL] = "bool"};

        for (const struct varlink_field *f = fields; f && f->name; f++) {
                if (strcmp(f->name, name) != 0)
                        continue;
                if (strcmp(names[f->type], type) != 0 || f->is_optional != is_optional)
                        fail_msg("%s: parameter %s is %s%s in the text, not in the table", method,
                                 name, is_optional ? "?" : "", type);
                return;
        }
        fail_msg("%s: the table lacks parameter %s", method, name);
}

/* Reads "(name: type, ...)" and compares. Returns the place after it. */
static const char *varlink_check_fields(const char *p, const struct varlink_method *m) {
        char name[64], word[64];
        size_t n = 0, wanted = 0;

        p = varlink_check_token(p, word, sizeof(word));
        assert_string_equal(word, "(");
        for (;;) {
                bool is_optional = false;

                p = varlink_check_token(p, name, sizeof(name));
                if (strcmp(name, ")") == 0)
                        break;
                if (strcmp(name, ",") == 0)
                        continue;
                p = varlink_check_token(p, word, sizeof(word));
                assert_string_equal(word, ":");
                p = varlink_check_token(p, word, sizeof(word));
                if (strcmp(word, "?") == 0) {
                        is_optional = true;
                        p = varlink_check_token(p, word, sizeof(word));
                }
                varlink_check_field(m->name, m->fields, name, word, is_optional);
                n++;
        }
        for (const struct varlink_field *f = m->fields; f && f->name; f++)
                wanted++;
        if (n != wanted)
                fail_msg("%s: the table has a parameter that the text lacks", m->name);
        return p;
}

/* Fails the running test unless @interface's text and table name the same methods with the same
 * parameters. */
static inline void varlink_check_interface(const struct varlink_interface *interface) {
        const char *p = interface->description;
        size_t n = 0, wanted = 0;
        unsigned depth = 0; /* a field may be called "method" too */
        char word[128];

        p = varlink_check_token(p, word, sizeof(word));
        assert_string_equal(word, "interface");
        p = varlink_check_token(p, word, sizeof(word));
        assert_string_equal(word, interface->name);
        while (p = varlink_check_token(p, word, sizeof(word)), word[0]) {
                const struct varlink_method *m = interface->methods;

                depth += strcmp(word, "(") == 0;
                depth -= strcmp(word, ")") == 0;
                if (depth > 0 || strcmp(word, "method") != 0)
                        continue;
                p = varlink_check_token(p, word, sizeof(word));
                while (m->name && strcmp(m->name, word) != 0)
                        m++;
                if (!m->name)
                        fail_msg("the table lacks method %s", word);
                p = varlink_check_fields(p, m);
                n++;
        }
        for (const struct varlink_method *m = interface->methods; m->name; m++)
                wanted++;
        if (n != wanted)
                fail_msg("%s: the table has a method that the text lacks", interface->name);
}
