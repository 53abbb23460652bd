/* test-varlink-server.c - what a service answers, and in which order. */
#include "tests/unit/varlink-fixture.h"
#include "tests/unit/varlink-check.h"

/* Each on the same connection: an answer, and the next call is served. */
static void test_answers(void **state) {
        static const char *const cases[][2] = {
                {ECHO("hello"), ECHOED("hello")},
                {"{\"method\":\"org.example.Test.Echo\",\"parameters\":{\"text\":\"x\",\"times\":2}}",
                 ECHOED("x")},
                {CALL("Nothing"), ERROR("MethodNotFound", "method", "org.example.Test.Nothing")},
                {"{\"method\":\"Echo\"}", ERROR("MethodNotFound", "method", "Echo")},
                {"{\"method\":\"\"}", ERROR("MethodNotFound", "method", "")},
                {"{\"method\":\"org.example.Test\"}",
                 ERROR("InterfaceNotFound", "interface", "org.example")},
                {"{\"method\":\"org.example.Tes.Echo\"}",
                 ERROR("InterfaceNotFound", "interface", "org.example.Tes")},
                {"{\"method\":\"org.example.Test.Echo.\"}",
                 ERROR("InterfaceNotFound", "interface", "org.example.Test.Echo")},
                {"{\"method\":\".Echo\"}", ERROR("InterfaceNotFound", "interface", "")},
                {CALL("Echo"), ERROR("InvalidParameter", "parameter", "text")},
                {"{\"method\":\"org.example.Test.Echo\",\"parameters\":null}",
                 ERROR("InvalidParameter", "parameter", "text")},
                {"{\"method\":\"org.example.Test.Echo\",\"parameters\":{\"text\":1}}",
                 ERROR("InvalidParameter", "parameter", "text")},
                {"{\"method\":\"org.example.Test.Echo\",\"parameters\":{\"text\":\"x\",\"times\":4}}",
                 ERROR("InvalidParameter", "parameter", "times")},
                {"{\"method\":\"org.example.Test.Echo\",\"parameters\":{\"text\":\"x\",\"y\":1}}",
                 ERROR("InvalidParameter", "parameter", "y")},
                {"{\"method\":\"org.example.Test.Keep\",\"parameters\":{\"y\":1}}",
                 ERROR("InvalidParameter", "parameter", "y")},
                {"{\"method\":\"org.example.Test.Echo\",\"upgrade\":true}",
                 ERROR("MethodNotImplemented", "method", "org.example.Test.Echo")},
                {CALL("Lock"),
                 "{\"error\":\"org.example.Test.Failed\",\"parameters\":{\"message\":\"no\"}}"},
                {CALL("Watch"), "{}"},
                {"{\"method\":\"org.example.Test.Echo\",\"more\":true,\"parameters\":{\"text\":\"x\"}}",
                 ECHOED("x")}, /* does not take more: one answer */
                {"{\"method\":\"org.varlink.service.GetInfo\"}",
                 "{\"parameters\":{\"vendor\":\"mfad\",\"product\":\"test\",\"version\":\"" MFAD_VERSION
                 "\",\"url\":\"man:mfad(8)\",\"interfaces\":[\"org.varlink.service\","
                 "\"org.example.Test\"]}}"},
                {"{\"method\":\"org.varlink.service.GetInterfaceDescription\",\"parameters\":"
                 "{\"interface\":\"org.example\"}}",
                 ERROR("InterfaceNotFound", "interface", "org.example")},
                {"{\"method\":\"org.varlink.service.GetInterfaceDescription\"}",
                 ERROR("InvalidParameter", "parameter", "interface")},
                {"{\"method\":\"org.varlink.service.Echo\"}",
                 ERROR("MethodNotFound", "method", "org.varlink.service.Echo")},
        };
        struct fixture *f = *state;
        _cleanup_(fd_closep) int fd = peer(f);

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                say(f, fd, cases[i][0]);
                hear(fd, cases[i][1]);
                hear_nothing(fd);
        }
}

static void check_description(struct fixture *f, int fd, const char *name, const char *text) {
        char call[256], answer[4096] = "";
        json_t *message;
        ssize_t n;

        (void)snprintf(call, sizeof(call),
                       "{\"method\":\"org.varlink.service.GetInterfaceDescription\","
                       "\"parameters\":{\"interface\":\"%s\"}}",
                       name);
        say(f, fd, call);
        n = recv(fd, answer, sizeof(answer), 0);
        assert_true(n > 0);
        assert_int_equal(varlink_parse(answer, (size_t)n - 1, &message), 0);
        if (text)
                assert_string_equal(
                        varlink_string(json_object_get(message, "parameters"), "description"),
                        text);
        json_decref(message);
}

static void test_descriptions(void **state) {
        struct fixture *f = *state;
        _cleanup_(fd_closep) int fd = peer(f);

        check_description(f, fd, "org.example.Test", description);
        check_description(f, fd, "org.varlink.service", NULL);
        varlink_check_interface(&test_interface);
}

/* Not messages, or not calls: closed without a word, and nothing has run. */
static void test_refused(void **state) {
        static const char *const cases[] = {
                "",
                "x",
                "[]",
                "{}",
                "{\"method\":1}",
                "{\"method\":\"org.example.Test.Echo\",\"parameters\":[]}",
                "{\"method\":\"org.example.Test.Keep\",\"more\":1}",
                "{\"method\":\"org.example.Test.Keep\",\"oneway\":null}",
                "{\"method\":\"org.example.Test.Keep\",\"unknown\":true}",
                "{\"method\":\"org.example.Test.Keep\",\"method\":\"org.example.Test.Keep\"}",
                "{\"method\":\"org.example.Test.\\u001bKeep\"}",
                "{\"method\":\"org.example.Test.Keep\",\"parameters\":{\"a\":[[[[[[[]]]]]]]}}",
                "{\"parameters\":{},\"error\":\"a.b\"}",
        };
        struct fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(fd_closep) int fd = peer(f);

                say(f, fd, cases[i]);
                hear_end(fd);
        }
        assert_int_equal(f->n_runs, 0);
}

static void test_oneway(void **state) {
        struct fixture *f = *state;
        _cleanup_(fd_closep) int fd = peer(f);

        say(f, fd,
            "{\"method\":\"org.example.Test.Echo\",\"oneway\":true,\"parameters\":{\"text\":\"x\"}}");
        assert_int_equal(f->n_runs, 1);
        hear_nothing(fd);
        say(f, fd, "{\"method\":\"org.example.Test.Nothing\",\"oneway\":true}");
        hear_nothing(fd);
        say(f, fd, "{\"method\":\"org.example.Test.Keep\",\"oneway\":true}");
        say(f, fd, ECHO("waits"));
        hear_nothing(fd);
        varlink_call_reply(TAKE_PTR(f->kept), NULL);
        settle(f, 1);
        hear(fd, ECHOED("waits"));
        say(f, fd, "{\"method\":\"org.example.Test.Detach\",\"oneway\":true}");
        assert_int_equal(f->detached, -ENOTCONN);
        say(f, fd, ECHO("still here"));
        hear(fd, ECHOED("still here"));
}

/* Several calls in one piece, also after one that is answered late: all are served, in order. */
static void test_pipelined(void **state) {
        static const char calls[] = ECHO("1") "\0" ECHO("2") "\0" CALL("Nothing") "\0" ECHO("3");
        static const char late[] =
                "{\"method\":\"org.example.Test.Keep\",\"oneway\":true}\0" ECHO("4");
        struct fixture *f = *state;
        _cleanup_(fd_closep) int fd = peer(f);

        assert_int_equal(send(fd, calls, sizeof(calls), 0), sizeof(calls));
        settle(f, 1);
        hear(fd, ECHOED("1"));
        hear(fd, ECHOED("2"));
        hear(fd, ERROR("MethodNotFound", "method", "org.example.Test.Nothing"));
        hear(fd, ECHOED("3"));
        assert_int_equal(send(fd, late, sizeof(late), 0), sizeof(late));
        settle(f, 1);
        hear_nothing(fd);
        varlink_call_reply(TAKE_PTR(f->kept), NULL);
        settle(f, 1);
        hear(fd, ECHOED("4"));
}

/* A peer that has said all it will ever say still gets its answers (nc -N does this). */
static void test_half_closed(void **state) {
        static const char calls[] = ECHO("1") "\0" CALL("Keep");
        struct fixture *f = *state;
        _cleanup_(fd_closep) int fd = peer(f);

        assert_int_equal(send(fd, calls, sizeof(calls), 0), sizeof(calls));
        assert_int_equal(shutdown(fd, SHUT_WR), 0);
        settle(f, 1);
        hear(fd, ECHOED("1"));
        hear_nothing(fd);
        varlink_call_reply(TAKE_PTR(f->kept), NULL);
        settle(f, 1);
        hear(fd, "{}");
        hear_end(fd);
        assert_int_equal(f->n_gone, 0);
}

/* One call in work at a time: the second waits until the first was answered. */
static void test_one_at_a_time(void **state) {
        struct fixture *f = *state;
        _cleanup_(fd_closep) int fd = peer(f);

        say(f, fd, CALL("Keep"));
        say(f, fd, ECHO("second"));
        assert_non_null(f->kept);
        hear_nothing(fd);
        assert_int_equal(f->n_runs, 1);
        varlink_call_reply(TAKE_PTR(f->kept), NULL);
        settle(f, 1);
        hear(fd, "{}");
        hear(fd, ECHOED("second"));
        assert_int_equal(f->n_gone, 0);
}

static void test_one_byte_segments(void **state) {
        static const char call[] = ECHO("slowly");
        struct fixture *f = *state;
        _cleanup_(fd_closep) int fd = peer(f);

        for (size_t i = 0; i < sizeof(call); i++) {
                hear_nothing(fd);
                assert_int_equal(send(fd, call + i, 1, 0), 1);
                settle(f, 0);
        }
        settle(f, 1);
        hear(fd, ECHOED("slowly"));
}

static void test_more(void **state) {
        static const char watch_and_echo[] =
                "{\"method\":\"org.example.Test.Watch\",\"more\":true}\0" ECHO("after");
        struct fixture *f = *state;
        int fd = peer(f);

        assert_int_equal(send(fd, watch_and_echo, sizeof(watch_and_echo), 0),
                         sizeof(watch_and_echo));
        settle(f, 1);
        hear(fd, "{\"parameters\":{\"n\":0},\"continues\":true}");
        assert_int_equal(varlink_call_notify(f->kept, json_pack("{s:i}", "n", 1)), 0);
        settle(f, 1);
        hear(fd, "{\"parameters\":{\"n\":1},\"continues\":true}");
        hear_nothing(fd); /* the second call waits for the end of the first */
        varlink_call_reply(TAKE_PTR(f->kept), json_pack("{s:i}", "n", 2));
        settle(f, 1);
        hear(fd, "{\"parameters\":{\"n\":2}}");
        hear(fd, ECHOED("after"));
        fd = fd_close(fd);
        settle(f, 1);
        assert_int_equal(f->n_gone, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_answers),       TEST(test_descriptions),      TEST(test_refused),
                TEST(test_oneway),        TEST(test_pipelined),         TEST(test_half_closed),
                TEST(test_one_at_a_time), TEST(test_one_byte_segments), TEST(test_more),
        };

        varlink_wipe_json();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
