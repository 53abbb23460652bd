/* test-tokens.c - the client token's file, and what is accepted as the token. */
#include "common/encode.h"
#include "daemon/front/tokens.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <cmocka.h>

struct place {
        char path[64];
        int fd;
};

static int set_up(void **state) {
        struct place *p = calloc(1, sizeof(*p));

        (void)umask(077);
        (void)snprintf(p->path, sizeof(p->path), "/tmp/test-tokens-XXXXXX");
        if (!mkdtemp(p->path))
                return -1;
        p->fd = open(p->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        *state = p;
        return p->fd < 0;
}

static int tear_down(void **state) {
        struct place *p = *state;

        (void)unlinkat(p->fd, TOKEN_FILE, 0);
        (void)unlinkat(p->fd, "elsewhere", 0);
        (void)close(p->fd);
        (void)rmdir(p->path);
        free(p);
        return 0;
}

static size_t read_token(struct place *p, char *out, size_t size) {
        int fd = openat(p->fd, TOKEN_FILE, O_RDONLY | O_CLOEXEC);
        ssize_t n;

        assert_true(fd >= 0);
        n = read(fd, out, size);
        assert_true(n >= 0);
        (void)close(fd);
        return (size_t)n;
}

static void write_token(struct place *p, const char *text, mode_t mode) {
        int fd;

        (void)unlinkat(p->fd, TOKEN_FILE, 0);
        fd = openat(p->fd, TOKEN_FILE, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
        assert_int_equal(fchmod(fd, mode), 0);
        (void)close(fd);
}

static void test_made(void **state) {
        _cleanup_(tokens_freep) struct tokens *t = NULL, *again = NULL;
        char text[100] = "", second[100] = "";
        struct place *p = *state;
        struct stat st;

        assert_int_equal(tokens_new(p->fd, &t), 0);
        assert_int_equal(read_token(p, text, sizeof(text)), TOKEN_LEN); /* no newline */
        assert_int_equal(fstatat(p->fd, TOKEN_FILE, &st, AT_SYMLINK_NOFOLLOW), 0);
        assert_int_equal(st.st_mode, S_IFREG | 0600);
        assert_int_equal(
                strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
                TOKEN_LEN);
        assert_true(tokens_accept(t, text, TOKEN_LEN));

        /* stable over a restart */
        assert_int_equal(tokens_new(p->fd, &again), 0);
        assert_int_equal(read_token(p, second, sizeof(second)), TOKEN_LEN);
        assert_string_equal(text, second);
        assert_true(tokens_accept(again, text, TOKEN_LEN));
}

static void test_accept(void **state) {
        _cleanup_(tokens_freep) struct tokens *t = NULL;
        struct place *p = *state;
        char text[100] = "", changed[120];

        assert_int_equal(tokens_new(p->fd, &t), 0);
        (void)read_token(p, text, sizeof(text));
        assert_true(tokens_accept(t, text, TOKEN_LEN));
        for (size_t i = 0; i < TOKEN_LEN; i++) {
                memcpy(changed, text, TOKEN_LEN + 1);
                changed[i] = (char)(changed[i] ^ 1);
                assert_false(tokens_accept(t, changed, TOKEN_LEN));
        }
        assert_false(tokens_accept(t, "", 0));
        assert_false(tokens_accept(t, text, TOKEN_LEN - 1));
        (void)snprintf(changed, sizeof(changed), "%s ", text);
        assert_false(tokens_accept(t, changed, strlen(changed)));
        (void)snprintf(changed, sizeof(changed), " %s", text);
        assert_false(tokens_accept(t, changed, strlen(changed)));
        (void)snprintf(changed, sizeof(changed), "Bearer %s", text);
        assert_false(tokens_accept(t, changed, strlen(changed)));
        assert_true(tokens_accept(t, text, TOKEN_LEN)); /* and no state is left behind */
}

/* Each differs from the right one in all places: a comparison of part of the digest would take some of them. */
static void test_random_ones_are_refused(void **state) {
        _cleanup_(tokens_freep) struct tokens *t = NULL;
        struct place *p = *state;

        assert_int_equal(tokens_new(p->fd, &t), 0);
        for (size_t i = 0; i < 5000; i++) {
                uint8_t bytes[TOKEN_BYTES];
                char text[TOKEN_LEN + 1] = "";

                assert_int_equal(getrandom(bytes, sizeof(bytes), 0), sizeof(bytes));
                encode_base64url(bytes, sizeof(bytes), text);
                assert_false(tokens_accept(t, text, TOKEN_LEN));
        }
}

static void test_unfit_is_replaced(void **state) {
        static const char *const unfit[] = {
                "",
                "short",
                "0123456789012345678901234567890123456789012\n",
                "012345678901234567890123456789012345678901+",
                "01234567890123456789012345678901234567890123456789012345678901234567890123456789"
                "01234567890123456789",
        };
        struct place *p = *state;

        for (size_t i = 0; i < ELEMENTSOF(unfit); i++) {
                _cleanup_(tokens_freep) struct tokens *t = NULL;
                char text[200] = "";

                write_token(p, unfit[i], 0600);
                assert_int_equal(tokens_new(p->fd, &t), 0);
                assert_int_equal(read_token(p, text, sizeof(text)), TOKEN_LEN);
                assert_false(tokens_accept(t, unfit[i], strlen(unfit[i])));
                assert_true(tokens_accept(t, text, TOKEN_LEN));
        }
}

static const char fit[] = "0123456789012345678901234567890123456789012";

/* The file is private and fit again, and the token in it not @fit. */
static void expect_another(struct place *p) {
        _cleanup_(tokens_freep) struct tokens *t = NULL;
        char text[100] = "";
        struct stat st;

        assert_int_equal(tokens_new(p->fd, &t), 0);
        assert_int_equal(fstatat(p->fd, TOKEN_FILE, &st, AT_SYMLINK_NOFOLLOW), 0);
        assert_int_equal(st.st_mode, S_IFREG | 0600);
        assert_int_equal(st.st_nlink, 1);
        assert_int_equal(read_token(p, text, sizeof(text)), TOKEN_LEN);
        assert_string_not_equal(text, fit);
        assert_true(tokens_accept(t, text, TOKEN_LEN));
        assert_false(tokens_accept(t, fit, TOKEN_LEN));
}

/* Others could have read it, or have put it there: mfad must neither take it nor refuse to start for ever. */
static void test_leaked_is_replaced(void **state) {
        static const mode_t modes[] = {0644, 0620, 0604, 0640};
        struct place *p = *state;

        for (size_t i = 0; i < ELEMENTSOF(modes); i++) {
                write_token(p, fit, modes[i]);
                expect_another(p);
        }
        write_token(p, fit, 0600);
        assert_int_equal(linkat(p->fd, TOKEN_FILE, p->fd, "elsewhere", 0), 0);
        expect_another(p);

        assert_int_equal(unlinkat(p->fd, TOKEN_FILE, 0), 0);
        assert_int_equal(symlinkat("elsewhere", p->fd, TOKEN_FILE), 0);
        expect_another(p);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_made, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_accept, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_random_ones_are_refused, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_unfit_is_replaced, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_leaked_is_replaced, set_up, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
