/* test-wiping.c - what libraries free is zeroed first. */
#include "common/macros.h"
#include "common/wiping.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <jansson.h>
#include <openssl/crypto.h>

#define MARKER "marker-4f0c1e"

/* A sanitizer's or valgrind's heap keeps freed blocks unreadable, and its own copies of nothing. */
#if defined(__SANITIZE_ADDRESS__)
#define CAN_LOOK_AT_FREED_MEMORY 0
#else
#define CAN_LOOK_AT_FREED_MEMORY 1
#endif

/* True when the freed block at @address still holds the marker. Through volatile, so that the
 * compiler does not reason about a dead pointer; glibc leaves the mapping in place. */
static bool still_holds_marker(uintptr_t address, size_t len) {
        const volatile char *p = (const volatile char *)address;
        char copy[256];

        assert_true(len <= sizeof(copy));
        for (size_t i = 0; i < len; i++)
                copy[i] = p[i];
        return memmem(copy, len, MARKER + 4, strlen(MARKER) - 4) != NULL;
}

static void test_free_zeroes(void **state _unused_) {
        char *p = wiping_malloc(200);
        uintptr_t address = (uintptr_t)p;

        assert_non_null(p);
        strcpy(p + 64, MARKER); /* malloc(3) itself writes over the first bytes */
        wiping_free(p);
        if (CAN_LOOK_AT_FREED_MEMORY)
                assert_false(still_holds_marker(address, 200));
        wiping_free(NULL);
}

static void test_realloc_zeroes(void **state _unused_) {
        char *p = wiping_realloc(NULL, 200), *moved;
        uintptr_t address = (uintptr_t)p;

        assert_non_null(p);
        memset(p, 'x', 200);
        strcpy(p + 64, MARKER);
        moved = wiping_realloc(p, 100);
        assert_non_null(moved);
        assert_true((uintptr_t)moved != address);
        assert_string_equal(moved + 64, MARKER);
        if (CAN_LOOK_AT_FREED_MEMORY)
                assert_false(still_holds_marker(address, 200));
        moved = wiping_realloc(moved, 4000);
        assert_non_null(moved);
        assert_string_equal(moved + 64, MARKER);
        assert_int_equal(moved[0], 'x');
        assert_null(wiping_realloc(moved, 0));
}

static void test_json(void **state _unused_) {
        char text[200];
        json_t *s;
        uintptr_t address;

        memset(text, 'x', sizeof(text));
        strcpy(text + sizeof(text) - sizeof(MARKER), MARKER);
        s = json_string(text);
        address = (uintptr_t)json_string_value(s);
        json_decref(s);
        if (CAN_LOOK_AT_FREED_MEMORY)
                assert_false(still_holds_marker(address, sizeof(text)));
}

static void test_crypto(void **state _unused_) {
        char *p = OPENSSL_malloc(200);
        uintptr_t address = (uintptr_t)p;

        assert_non_null(p);
        strcpy(p + 64, MARKER);
        OPENSSL_free(p);
        if (CAN_LOOK_AT_FREED_MEMORY)
                assert_false(still_holds_marker(address, 200));
}

/* The control: a plain free() leaves the marker, so the tests above can see one. */
static void test_plain_free_leaves_it(void **state _unused_) {
        char *p = malloc(200);
        uintptr_t address = (uintptr_t)p;

        assert_non_null(p);
        strcpy(p + 64, MARKER);
        __asm__ volatile("" : : "r"(p) : "memory");
        free(p);
        if (CAN_LOOK_AT_FREED_MEMORY)
                assert_true(still_holds_marker(address, 200));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_plain_free_leaves_it),
                cmocka_unit_test(test_free_zeroes),
                cmocka_unit_test(test_realloc_zeroes),
                cmocka_unit_test(test_json),
                cmocka_unit_test(test_crypto),
        };

        wiping_install_json();
        if (wiping_install_crypto() < 0)
                return 1;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
