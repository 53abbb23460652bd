#include "common/wiping.h"

#include <jansson.h>

void wiping_install_json(void) {
        json_set_alloc_funcs(wiping_malloc, wiping_free);
}
