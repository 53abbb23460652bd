#include "client/profile_list.h"
#include "client/output.h"

#include <string.h>

/* The pages from the profile after @after on, appended to @all. @ret_after: the name to go on after, lent
 * from @all; NULL when that was the last page. */
static enum exit_code add_page(struct link *control, json_t *all, const char *after,
                               const char **ret_after) {
        json_auto_t *answer = NULL;
        const json_t *page;
        enum exit_code code;
        const char *last;

        code = call_run(control, CONTROL("ListProfiles"),
                        after ? json_pack("{ss}", "after", after) : NULL, CALL_SEC, &answer);
        if (code != EXIT_CODE_OK)
                return code;
        page = json_object_get(answer, "profiles");
        if (json_array_extend(all, (json_t *)page) < 0 && json_array_size(page) > 0) {
                output_error("%s", strerror(ENOMEM));
                return EXIT_CODE_FAILURE;
        }
        last = call_text(json_array_get(all, json_array_size(all) - 1), "name");
        /* a page without an end or without names would never stop */
        if (!json_is_array(page) ||
            (!json_is_true(json_object_get(answer, "is_last")) &&
             (json_array_size(page) == 0 || !last || json_array_size(all) > PROFILE_LIST_MAX))) {
                output_error("mfad's list of profiles has no end");
                return EXIT_CODE_FAILURE;
        }
        *ret_after = json_is_true(json_object_get(answer, "is_last")) ? NULL : last;
        return EXIT_CODE_OK;
}

enum exit_code profile_list(struct link *control, json_t **ret) {
        json_auto_t *all = json_array();
        const char *after = NULL;

        if (!all) {
                output_error("%s", strerror(ENOMEM));
                return EXIT_CODE_FAILURE;
        }
        do {
                enum exit_code code = add_page(control, all, after, &after);

                if (code != EXIT_CODE_OK)
                        return code;
        } while (after);
        *ret = all;
        all = NULL;
        return EXIT_CODE_OK;
}

enum exit_code profile_list_find(struct link *control, const char *name, json_t **ret) {
        json_auto_t *all = NULL;
        enum exit_code code = profile_list(control, &all);

        if (code != EXIT_CODE_OK)
                return code;
        *ret = NULL;
        for (size_t i = 0; i < json_array_size(all) && !*ret; i++) {
                const char *its = call_text(json_array_get(all, i), "name");

                if (its && strcmp(its, name) == 0)
                        *ret = json_incref(json_array_get(all, i));
        }
        return EXIT_CODE_OK;
}

bool profile_list_is_held(const json_t *profile) {
        return call_number(profile, "seconds_left", 0) > 0;
}
