/* test-sandbox.c - each thing that a sandbox refuses is tried in it, and shown to work without it. */
#include "common/macros.h"
#include "common/sandbox.h"
#include "daemon/front/confine.h"
#include "sandbox-world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <cmocka.h>

#define NOT_AS_WANTED 200 /* an exit status that is no errno */
#define NAME_OF_AGAIN "--enters-again"

/* ---- trying ---------------------------------------------------------------------------------- */

static struct sandbox enter(enum sandbox_program program) {
        switch (program) {
        case SANDBOX_SIGNER: return sandbox_enter_signer(world_places.data, world_places.runtime);
        case SANDBOX_FRONT: return confine_enter(&world_places, &world_config);
        case SANDBOX_FETCH: return sandbox_enter_fetch(world_config.ca_bundle);
        case SANDBOX_FINDER: return sandbox_enter_finder();
        }
        abort();
}

/* What the child's @fn returned. */
static int in_child(int (*fn)(const void *), const void *data) {
        pid_t pid = fork();
        int status = 0;

        assert_true(pid >= 0);
        if (pid == 0)
                _exit(fn(data));
        assert_int_equal(waitpid(pid, &status, 0), pid);
        return WIFEXITED(status) ? WEXITSTATUS(status) : NOT_AS_WANTED;
}

static int try_freely(const void *data) {
        const struct attempt *a = data;

        return a->fn();
}

struct enclosed {
        const struct attempt *attempt;
        enum sandbox_program program;
};

static int try_enclosed(const void *data) {
        const struct enclosed *e = data;
        struct sandbox s = enter(e->program);

        return s.has_filter ? e->attempt->fn() : NOT_AS_WANTED;
}

/* mfad-fetch is born in mfad's sandbox. */
static int try_enclosed_twice(const void *data) {
        struct sandbox s = enter(SANDBOX_FRONT);

        return s.has_filter ? try_enclosed(data) : NOT_AS_WANTED;
}

/* Is it as @a says, in this sandbox of this kernel's? */
static void judge(const struct attempt *a, enum sandbox_program program, int abi, int error) {
        bool is_refused = error == EPERM || error == EACCES || error == ENOSYS || error == EXDEV;

        if (a->allowed & 1U << program ? error == 0 : is_refused)
                return;
        /* what an old kernel cannot refuse */
        if (!(a->allowed & 1U << program) && error == 0 && a->abi > abi)
                return;
        fail_msg("\"%s\" in sandbox %d: %s", a->name, (int)program,
                 error == NOT_AS_WANTED ? "no sandbox, or killed" : strerror(error));
}

static int say_abi(const void *data) {
        return enter(*(const enum sandbox_program *)data).abi;
}

static void test_attempts(void **state _unused_) {
        static const enum sandbox_program programs[] = {SANDBOX_SIGNER, SANDBOX_FRONT,
                                                        SANDBOX_FETCH, SANDBOX_FINDER};
        int abi = in_child(say_abi, &programs[0]);

        for (size_t i = 0; i < n_attempts; i++) {
                const struct attempt *a = &attempts[i];
                int error = in_child(try_freely, a);

                world_tidy();
                if (error != 0 && a->may_lack) {
                        print_message("not to be had here: %s: %s\n", a->name, strerror(error));
                        continue;
                }
                if (error != 0)
                        fail_msg("\"%s\" fails without a sandbox: %s", a->name, strerror(error));
                for (size_t p = 0; p < ELEMENTSOF(programs); p++) {
                        struct enclosed e = {a, programs[p]};

                        judge(a, programs[p], abi, in_child(try_enclosed, &e));
                        if (programs[p] == SANDBOX_FETCH)
                                judge(a, programs[p], abi, in_child(try_enclosed_twice, &e));
                        world_tidy();
                }
        }
}

/* ---- becoming itself anew -------------------------------------------------------------------- */

static int enter_and_execute_self(const void *data) {
        const enum sandbox_program *program = data;
        char number[2][16];
        struct sandbox s = enter(*program);

        (void)snprintf(number[0], sizeof(number[0]), "%d", (int)*program);
        (void)snprintf(number[1], sizeof(number[1]), "%d", s.abi);
        (void)execl("/proc/self/exe", "self", NAME_OF_AGAIN, number[0], number[1], NULL);
        return errno;
}

/* Layer upon layer of Landlock, the seventeenth is refused; and each filter costs time. */
static int enter_again(char *argv[]) {
        struct sandbox s;

        sandbox_open((enum sandbox_program)atoi(argv[2]), &s);
        sandbox_enter(&s);
        return s.is_inherited && s.has_filter && s.abi == atoi(argv[3]) ? 0 : NOT_AS_WANTED;
}

static void test_a_new_image_knows_its_sandbox(void **state _unused_) {
        for (enum sandbox_program p = SANDBOX_SIGNER; p <= SANDBOX_FRONT; p++)
                assert_int_equal(in_child(enter_and_execute_self, &p), 0);
}

/* ---- files that others replace --------------------------------------------------------------- */

static int replace_target(void) {
        return rename(in_world("dotfiles/other"), in_world("dotfiles/config")) < 0 ? errno : 0;
}

static int turn_link(void) {
        if (unlink(in_world("home/.aws/config")) < 0)
                return errno;
        return symlink(in_world("home/.ssh/id"), in_world("home/.aws/config")) < 0 ? errno : 0;
}

struct change {
        int (*fn)(void);
};

/* In mfad's sandbox, ~/.aws/config is read when somebody outside has made the change. */
static int read_after(const void *data) {
        const struct change *change = data;
        int told[2], status;
        char byte;
        pid_t pid;

        if (pipe(told) < 0)
                return errno;
        pid = fork();
        if (pid == 0)
                _exit(read(told[0], &byte, 1) == 1 ? change->fn() : NOT_AS_WANTED);
        (void)enter(SANDBOX_FRONT); /* say_abi() tells how far */
        if (write(told[1], "x", 1) != 1 || waitpid(pid, &status, 0) != pid || status != 0)
                return NOT_AS_WANTED;
        return read_aws_config();
}

static void test_a_replaced_file_is_read(void **state _unused_) {
        struct change change = {replace_target};

        assert_int_equal(in_child(read_after, &change), 0);
        world_make_file("dotfiles/other");
}

static void test_a_link_that_is_turned_later_leads_nowhere(void **state _unused_) {
        enum sandbox_program front = SANDBOX_FRONT;
        struct change change = {turn_link};
        int r = in_child(read_after, &change);

        (void)unlink(in_world("home/.aws/config"));
        assert_int_equal(symlink(in_world("dotfiles/config"), in_world("home/.aws/config")), 0);
        assert_int_equal(r, in_child(say_abi, &front) > 0 ? EACCES : 0);
}

int main(int argc, char *argv[]) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_attempts),
                cmocka_unit_test(test_a_new_image_knows_its_sandbox),
                cmocka_unit_test(test_a_replaced_file_is_read),
                cmocka_unit_test(test_a_link_that_is_turned_later_leads_nowhere),
        };

        if (argc == 2 && strcmp(argv[1], NAME_OF_SELF) == 0)
                return 0;
        if (argc == 4 && strcmp(argv[1], NAME_OF_AGAIN) == 0)
                return enter_again(argv);
#ifdef MFAD_SANITIZED /* there is no sandbox in such a build */
        return 77;
#endif
        return cmocka_run_group_tests(tests, world_make, world_end);
}
