/* test-log.c - entries of the journal's protocol, the table of events and its catalogue, lines for others. */
#include "common/clock.h"
#include "common/fs.h"
#include "common/journal.h"
#include "common/log.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cmocka.h>

#include "common/buf.h"

struct journald {
        char folder[64], path[96];
        int fd;     /* that it reads */
        int sender; /* ours */
};

static int start(void **state) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        struct journald *j = calloc(1, sizeof(*j));

        strcpy(j->folder, "/tmp/test-log-XXXXXX");
        if (!mkdtemp(j->folder))
                return -1;
        (void)snprintf(j->path, sizeof(j->path), "%s/socket", j->folder);
        strcpy(address.sun_path, j->path);
        j->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        j->sender = journal_open();
        *state = j;
        return bind(j->fd, (struct sockaddr *)&address, sizeof(address));
}

static int stop(void **state) {
        struct journald *j = *state;

        (void)close(j->fd);
        (void)close(j->sender);
        (void)unlink(j->path);
        (void)rmdir(j->folder);
        free(j);
        return 0;
}

static void heard(const struct journald *j, char *out, size_t size) {
        ssize_t n = recv(j->fd, out, size - 1, 0);

        assert_true(n >= 0);
        out[n] = '\0';
}

static void test_entry(void **state) {
        const struct journal_field fields[] = {{"MESSAGE", "one\ntwo\x1b[31m"},
                                               {"MFAD_RESULT", NULL},
                                               {"MFAD_PROFILE", "b\xc3\xbcro"}};
        char text[256];

        assert_int_equal(journal_send(((struct journald *)*state)->sender,
                                      ((struct journald *)*state)->path, fields,
                                      ELEMENTSOF(fields)),
                         0);
        heard(*state, text, sizeof(text));
        assert_string_equal(text, "MESSAGE=one two [31m\nMFAD_PROFILE=b\xc3\xbcro\n");
}

static void test_long_entry_is_cut(void **state) {
        char big[2 * JOURNAL_ENTRY_MAX], text[2 * JOURNAL_ENTRY_MAX];
        const struct journal_field fields[] = {{"MESSAGE", big}, {"PRIORITY", "5"}};

        memset(big, 'x', sizeof(big));
        big[sizeof(big) - 1] = '\0';
        assert_int_equal(journal_send(((struct journald *)*state)->sender,
                                      ((struct journald *)*state)->path, fields,
                                      ELEMENTSOF(fields)),
                         0);
        heard(*state, text, sizeof(text));
        assert_int_equal(strlen(text), JOURNAL_ENTRY_MAX);
        assert_int_equal(text[strlen(text) - 1], '\n');
}

static void test_full_queue_does_not_block(void **state) {
        const struct journal_field fields[] = {{"MESSAGE", "again"}};
        const struct journald *j = *state;
        int r = 0;

        (void)alarm(60); /* a send that waits would wait for ever */
        for (unsigned i = 0; r == 0 && i < 1000000; i++)
                r = journal_send(j->sender, j->path, fields, 1);
        (void)alarm(0);
        assert_int_equal(r, -EAGAIN);
}

static void test_nobody_there(void **state) {
        const struct journal_field fields[] = {{"MESSAGE", "x"}};
        const struct journald *j = *state;

        (void)unlink(j->path);
        assert_int_equal(journal_send(j->sender, j->path, fields, 1), -ENOENT);
}

/* JOURNAL_STREAM is believed only when it names what standard error is. */
static void test_stream(_unused_ void **state) {
        char text[64];
        struct stat st;

        assert_int_equal(fstat(STDERR_FILENO, &st), 0);
        (void)unsetenv("JOURNAL_STREAM");
        assert_false(journal_is_stderr());
        (void)snprintf(text, sizeof(text), "%lu:%lu", (unsigned long)st.st_dev,
                       (unsigned long)st.st_ino);
        (void)setenv("JOURNAL_STREAM", text, 1);
        assert_true(journal_is_stderr());
        (void)snprintf(text, sizeof(text), "%lu:%lu", (unsigned long)st.st_dev,
                       (unsigned long)st.st_ino + 1);
        (void)setenv("JOURNAL_STREAM", text, 1);
        assert_false(journal_is_stderr());
        (void)setenv("JOURNAL_STREAM", "nonsense", 1);
        assert_false(journal_is_stderr());
        (void)unsetenv("JOURNAL_STREAM");
}

/* Standard error into a pipe while @fn runs. */
static void capture(void (*fn)(void), char *out, size_t size) {
        int fds[2], saved = dup(STDERR_FILENO);
        ssize_t n;

        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0); /* only our end */
        (void)dup2(fds[1], STDERR_FILENO);
        fn();
        (void)dup2(saved, STDERR_FILENO);
        (void)close(saved);
        (void)close(fds[1]);
        n = read(fds[0], out, size - 1);
        (void)close(fds[0]);
        out[n > 0 ? n : 0] = '\0';
}

static void say_an_event(void) {
        const struct event_fields f = {.profile = "work", .result = "ok"};

        log_open("test", LOG_LEVEL_INFO);
        log_event(EVENT_UNLOCKED, &f, "session \"%s\" \x1b[2J", "work");
        log_debug("not shown");
}

static void say_debug(void) {
        (void)setenv("MFAD_LOG_LEVEL", "debug", 1);
        log_open("test", LOG_LEVEL_INFO);
        log_debug("shown");
        (void)setenv("MFAD_LOG_LEVEL", "error", 1);
        log_open("test", LOG_LEVEL_INFO);
        log_notice("not shown");
        (void)unsetenv("MFAD_LOG_LEVEL");
}

static void test_lines(_unused_ void **state) {
        char text[512];

        capture(say_an_event, text, sizeof(text));
        assert_string_equal(text, "<5>test: session \"work\" ?[2J\n");
        capture(say_debug, text, sizeof(text));
        assert_string_equal(text, "<7>test: shown\n");
}

static void fill_stderr(void) {
        log_open("test", LOG_LEVEL_INFO);
        (void)alarm(60); /* a write that waits would wait for ever */
        for (int i = 0; i < 100000; i++)
                log_info("line %d", i);
        (void)alarm(0);
}

static void say_one_more(void) {
        log_info("one more");
}

static void test_full_stderr_does_not_block(_unused_ void **state) {
        static char text[1 << 20];

        capture(fill_stderr, text, sizeof(text));
        assert_non_null(strstr(text, "<6>test: line 0\n"));
        capture(say_one_more, text, sizeof(text));
        assert_non_null(strstr(text, "messages were dropped\n<6>test: one more\n"));
}

static unsigned n_heard;

static void on_event(enum event event, const struct event_fields *fields, const char *sentence,
                     void *userdata) {
        assert_int_equal(event, EVENT_ROLE_BOUGHT);
        assert_string_equal(fields->profile, "work");
        assert_string_equal(sentence, "bought");
        assert_ptr_equal(userdata, &n_heard);
        n_heard++;
}

/* Also of what is too low to be written. */
static void test_listener(_unused_ void **state) {
        const struct event_fields f = {.profile = "work"};

        log_open("test", LOG_LEVEL_ERROR);
        log_listen(on_event, &n_heard);
        log_event(EVENT_ROLE_BOUGHT, &f, "bought");
        assert_int_equal(n_heard, 1);
        log_listen(NULL, NULL);
        log_event(EVENT_ROLE_BOUGHT, &f, "bought");
        assert_int_equal(n_heard, 1);
}

static void test_table(_unused_ void **state) {
        for (enum event i = EVENT_NONE + 1; i < _EVENT_MAX; i++) {
                const char *id = event_message_id(i);

                assert_non_null(event_name(i));
                assert_int_equal(strspn(id, "0123456789abcdef"), 32);
                assert_int_equal(strlen(id), 32);
                assert_in_range(event_level(i), LOG_LEVEL_WARNING, LOG_LEVEL_INFO);
                for (enum event k = EVENT_NONE; k < i; k++) {
                        assert_string_not_equal(id, event_message_id(k));
                        assert_string_not_equal(event_name(i), event_name(k));
                }
        }
        /* ids are for ever: who changes one breaks what others have stored */
        assert_string_equal(event_message_id(EVENT_LENT), "0c03b427163f4bd2b174c1a952f796dc");
        assert_string_equal(event_message_id(EVENT_REFUSED), "ca14d9ab4cd44a6f852c2360e6e248ab");
}

/* Each id once, and no other. */
static void test_catalogue(_unused_ void **state) {
        _cleanup_(buf_clear) struct buf text = BUF_INIT(64 * 1024);
        unsigned n = 0;

        assert_int_equal(fs_read_file(SOURCE_ROOT "/systemd/mfad.catalog", &text), 0);
        for (const char *p = buf_text(&text); (p = strstr(p, "\n-- ")); p += 4) {
                unsigned matches = 0;

                for (enum event i = EVENT_NONE + 1; i < _EVENT_MAX; i++)
                        matches += strncmp(p + 4, event_message_id(i), 32) == 0 && p[36] == '\n';
                if (matches != 1)
                        fail_msg("the catalogue has an unknown id: %.32s", p + 4);
                if (strncmp(p + 37, "Subject: ", 9) != 0)
                        fail_msg("an entry begins without a subject: %.32s", p + 4);
                n++;
        }
        for (enum event i = EVENT_NONE + 1; i < _EVENT_MAX; i++)
                if (!strstr(buf_text(&text), event_message_id(i)))
                        fail_msg("the catalogue lacks \"%s\"", event_name(i));
        assert_int_equal(n, _EVENT_MAX - 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_entry, start, stop),
                cmocka_unit_test_setup_teardown(test_long_entry_is_cut, start, stop),
                cmocka_unit_test_setup_teardown(test_full_queue_does_not_block, start, stop),
                cmocka_unit_test_setup_teardown(test_nobody_there, start, stop),
                cmocka_unit_test(test_stream),
                cmocka_unit_test(test_lines),
                cmocka_unit_test(test_full_stderr_does_not_block),
                cmocka_unit_test(test_listener),
                cmocka_unit_test(test_table),
                cmocka_unit_test(test_catalogue),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
