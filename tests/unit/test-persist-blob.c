/* test-persist-blob.c - entries and the file around them: what was written comes back, and nothing else is taken. */
#include "common/buf.h"
#include "common/clock.h"
#include "common/secret.h"
#include "common/wire.h"
#include "daemon/front/persist_blob.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define WALL INT64_C(1800000000)
#define ARN  "arn:aws:iam::123456789012:role/admin"

static struct secret *key, *other_key;
static const uint8_t wrapped[SIGNER_WRAPPED_LEN] = "what mfad-signer made of the key";

static int set_up(void **state _unused_) {
        return secret_arena_open() < 0 ||
                               secret_copy("0123456789abcdef0123456789abcdef", 32, &key) < 0 ||
                               secret_copy("0123456789abcdef0123456789abcdeF", 32, &other_key) < 0
                       ? -1
                       : 0;
}

static int tear_down(void **state _unused_) {
        key = secret_free(key);
        other_key = secret_free(other_key);
        return 0;
}

static struct persist_entry entry_of(enum persist_kind kind) {
        struct persist_entry e = {.kind = kind, .name = "work"};
        struct lease *l = &e.lease;

        assert_int_equal(creds_new(&l->creds), 0);
        strcpy(l->creds->access_key_id, "ASIAEXAMPLE");
        assert_int_equal(secret_copy("secret/+key", 11, &l->creds->secret_key), 0);
        assert_int_equal(secret_copy("session.token==", 15, &l->creds->session_token), 0);
        l->creds->expiration_sec = WALL + 43200;
        l->bought_boot_usec = 1000 * USEC_PER_SEC;
        l->ends_boot_usec = 44200 * USEC_PER_SEC;
        l->bought_wall_sec = WALL - 5;
        l->ends_wall_sec = WALL + 43195;
        strcpy(l->account, "123456789012");
        if (persist_is_session(kind))
                strcpy(e.mfa_serial, "arn:aws:iam::123456789012:mfa/alice");
        if (kind == PERSIST_SESSION)
                return e;
        assert_int_equal(lease_set_role(l, ARN), 0);
        memset(e.mark.sha256, 0xa5, sizeof(e.mark.sha256));
        if (kind == PERSIST_DIRECT)
                return e;
        if (kind == PERSIST_ROLE_ARN)
                strcpy(e.name, ARN);
        e.is_asked_for = true;
        e.used_usec = 2000 * USEC_PER_SEC;
        return e;
}

static void check_same(const struct persist_entry *a, const struct persist_entry *b) {
        assert_int_equal(a->kind, b->kind);
        assert_string_equal(a->name, b->name);
        assert_string_equal(a->mfa_serial, b->mfa_serial);
        assert_int_equal(a->is_asked_for, b->is_asked_for);
        assert_int_equal(a->used_usec, b->used_usec);
        assert_memory_equal(&a->mark, &b->mark, sizeof(a->mark));
        assert_string_equal(a->lease.creds->access_key_id, b->lease.creds->access_key_id);
        assert_string_equal(secret_reveal(a->lease.creds->secret_key),
                            secret_reveal(b->lease.creds->secret_key));
        assert_string_equal(secret_reveal(a->lease.creds->session_token),
                            secret_reveal(b->lease.creds->session_token));
        assert_int_equal(a->lease.creds->expiration_sec, b->lease.creds->expiration_sec);
        assert_int_equal(a->lease.bought_boot_usec, b->lease.bought_boot_usec);
        assert_int_equal(a->lease.ends_boot_usec, b->lease.ends_boot_usec);
        assert_int_equal(a->lease.bought_wall_sec, b->lease.bought_wall_sec);
        assert_int_equal(a->lease.ends_wall_sec, b->lease.ends_wall_sec);
        assert_string_equal(a->lease.account, b->lease.account);
        assert_true(!a->lease.role_arn == !b->lease.role_arn);
        if (a->lease.role_arn)
                assert_string_equal(a->lease.role_arn, b->lease.role_arn);
}

static void test_entries_come_back(void **state _unused_) {
        _cleanup_(buf_clear) struct buf b = BUF_INIT(PERSIST_ENTRIES_MAX);
        struct wire_reader r;

        for (int kind = PERSIST_SESSION; kind <= PERSIST_DIRECT; kind++) {
                _cleanup_(persist_entry_clear) struct persist_entry e =
                        entry_of((enum persist_kind)kind);

                assert_int_equal(persist_entry_put(&e, &b), 0);
        }
        wire_reader_init(&r, b.data, b.len);
        for (int kind = PERSIST_SESSION; kind <= PERSIST_DIRECT; kind++) {
                _cleanup_(persist_entry_clear) struct persist_entry e = entry_of((
                                                                            enum persist_kind)kind),
                                                                    back = {0};

                assert_int_equal(persist_entry_get(&r, &back), 1);
                check_same(&back, &e);
        }
        _cleanup_(persist_entry_clear) struct persist_entry none = {0};
        assert_int_equal(persist_entry_get(&r, &none), 0);
}

/* Returns what persist_entry_get() says about @b, cut to @len bytes. */
static int get(const struct buf *b, size_t len) {
        _cleanup_(persist_entry_clear) struct persist_entry e = {0};
        struct wire_reader r;

        wire_reader_init(&r, b->data, len);
        return persist_entry_get(&r, &e);
}

static void test_cut_entries(void **state _unused_) {
        for (int kind = PERSIST_SESSION; kind <= PERSIST_DIRECT; kind++) {
                _cleanup_(buf_clear) struct buf b = BUF_INIT(PERSIST_ENTRIES_MAX);
                _cleanup_(persist_entry_clear) struct persist_entry e =
                        entry_of((enum persist_kind)kind);

                assert_int_equal(persist_entry_put(&e, &b), 0);
                assert_int_equal(get(&b, b.len), 1);
                for (size_t n = 1; n < b.len; n++)
                        assert_int_equal(get(&b, n), -EBADMSG);
        }
}

static void replace_token(struct persist_entry *e, const char *token) {
        struct creds *c = e->lease.creds;

        c->session_token = secret_free(c->session_token);
        assert_int_equal(secret_copy(token, strlen(token), &c->session_token), 0);
}

static void spoil(struct persist_entry *e, unsigned how) {
        struct lease *l = &e->lease;

        switch (how) {
        case 0: e->kind = 0; break;
        case 1: e->kind = PERSIST_DIRECT + 1; break;
        case 2: e->name[0] = '\0'; break;
        case 3: memset(e->name, 'n', KEY_NAME_MAX + 1); break;
        case 4: strcpy(e->mfa_serial, "short"); break;
        case 5: strcpy(l->creds->access_key_id, "A\"B"); break;
        case 6: replace_token(e, "a\"b"); break;
        case 7: replace_token(e, "a b"); break;
        case 8: replace_token(e, ""); break;
        case 9: l->ends_boot_usec = l->bought_boot_usec - 1; break;
        case 10: l->ends_boot_usec += 48 * 3600 * USEC_PER_SEC; break;
        case 11: l->creds->expiration_sec = INT64_MAX; break;
        case 12: l->ends_wall_sec = -1; break;
        case 13: l->account[5] = 'x'; break;
        case 14: l->account[5] = '\0'; break;
        case 15: assert_int_equal(lease_set_role(l, "no ARN"), 0); break;
        default: fail();
        }
}

static void test_entries_that_nobody_wrote(void **state _unused_) {
        for (unsigned how = 0; how <= 15; how++) {
                _cleanup_(buf_clear) struct buf b = BUF_INIT(PERSIST_ENTRIES_MAX);
                _cleanup_(persist_entry_clear) struct persist_entry e = entry_of(PERSIST_SESSION);

                spoil(&e, how);
                assert_int_equal(persist_entry_put(&e, &b), 0);
                if (get(&b, b.len) != -EBADMSG)
                        fail_msg("entry %u was taken", how);
        }
}

static void test_half_an_entry_is_none(void **state _unused_) {
        _cleanup_(persist_entry_clear) struct persist_entry e = entry_of(PERSIST_ROLE);
        _cleanup_(buf_clear) struct buf whole = BUF_INIT(PERSIST_ENTRIES_MAX);
        size_t len;

        assert_int_equal(persist_entry_put(&e, &whole), 0);
        len = whole.len;
        for (size_t max = len; max < 2 * len; max++) {
                _cleanup_(buf_clear) struct buf b = BUF_INIT(max);

                assert_int_equal(persist_entry_put(&e, &b), 0);
                assert_int_equal(persist_entry_put(&e, &b), -E2BIG);
                assert_int_equal(b.len, len);
                assert_int_equal(get(&b, b.len), 1);
        }
}

static void seal(const char *text, struct buf *ret) {
        _cleanup_(buf_clear) struct buf entries = BUF_INIT(1000);

        assert_int_equal(buf_puts(&entries, text), 0);
        assert_int_equal(persist_blob_seal(key, wrapped, &entries, ret), 0);
}

static int open_file(const struct secret *with, const struct buf *file, size_t len) {
        _cleanup_(buf_clear) struct buf back = BUF_INIT(PERSIST_ENTRIES_MAX);
        uint8_t found[SIGNER_WRAPPED_LEN];
        int r;

        r = persist_blob_check(file->data, len, found);
        if (r >= 0)
                r = persist_blob_open(with, file->data, len, &back);
        if (r >= 0) {
                assert_memory_equal(found, wrapped, sizeof(wrapped));
                assert_string_equal(buf_text(&back), "the entries");
        }
        return r;
}

static void test_file_comes_back(void **state _unused_) {
        _cleanup_(buf_clear) struct buf file = BUF_INIT(PERSIST_FILE_MAX),
                                        again = BUF_INIT(PERSIST_FILE_MAX);

        seal("the entries", &file);
        assert_int_equal(file.len, PERSIST_HEADER_LEN + 11 + 16);
        assert_null(memmem(file.data, file.len, "entries", 7));
        assert_int_equal(open_file(key, &file, file.len), 0);
        assert_int_equal(open_file(other_key, &file, file.len), -EBADMSG);

        seal("the entries", &again); /* a nonce of its own */
        assert_memory_not_equal(file.data + 68, again.data + 68, 12);
        assert_memory_not_equal(file.data + PERSIST_HEADER_LEN, again.data + PERSIST_HEADER_LEN,
                                11);
}

static void test_every_bit_of_a_file_counts(void **state _unused_) {
        _cleanup_(buf_clear) struct buf file = BUF_INIT(PERSIST_FILE_MAX);

        seal("the entries", &file);
        for (size_t i = 0; i < 8 * file.len; i++) {
                file.data[i / 8] = (char)(file.data[i / 8] ^ 1 << i % 8);
                assert_int_equal(open_file(key, &file, file.len), -EBADMSG);
                file.data[i / 8] = (char)(file.data[i / 8] ^ 1 << i % 8);
        }
        for (size_t n = 0; n < file.len; n++)
                assert_int_equal(open_file(key, &file, n), -EBADMSG);
        assert_int_equal(open_file(key, &file, file.len), 0);
}

static void test_file_without_entries(void **state _unused_) {
        _cleanup_(buf_clear) struct buf file = BUF_INIT(PERSIST_FILE_MAX), back = BUF_INIT(10);

        seal("", &file);
        assert_int_equal(persist_blob_open(key, file.data, file.len, &back), 0);
        assert_int_equal(back.len, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_entries_come_back),
                cmocka_unit_test(test_cut_entries),
                cmocka_unit_test(test_entries_that_nobody_wrote),
                cmocka_unit_test(test_half_an_entry_is_none),
                cmocka_unit_test(test_file_comes_back),
                cmocka_unit_test(test_every_bit_of_a_file_counts),
                cmocka_unit_test(test_file_without_entries),
        };

        return cmocka_run_group_tests(tests, set_up, tear_down);
}
