/* fuzz-sign-api.c - any packets on the sign socket: nothing is signed outside the policy (judged here
 * once more, from the signed text), nothing while sealed, no code twice, and no answer holds the key.
 * Owns:  a list with one key, a memory of codes, its own list of codes.
 * Calls: daemon/signer/sign.h, code_memory.h, vault_keys.h; common/signer_proto.h as the judge.
 * Limit: the first byte says whether the vault is open; then packets, two bytes of length before each. */
#include "common/buf.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/secret.h"
#include "common/signer_proto.h"
#include "daemon/signer/code_memory.h"
#include "daemon/signer/sign.h"
#include "daemon/signer/vault_file.h"
#include "daemon/signer/vault_keys.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW        INT64_C(1795305600)
#define SECRET_KEY "the-secret-key-of-the-fuzzed-vault"
#define CODES_MAX  64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct vault_keys *keys;
static struct code_memory *codes;
static struct secret *kek;
static struct wrap wrapping;
static char used[CODES_MAX][MFA_SERIAL_MAX + 8];
static size_t n_used;

static void set_up(void) {
        struct signer_key info = {.name = "default", .access_key_id = "AKIDEXAMPLE"};

        clock_freeze(USEC_PER_SEC, NOW);
        if (!keys) {
                log_open("fuzz", (enum log_level)0); /* a refusal a line would be gigabytes */
                if (secret_arena_open() < 0 || vault_keys_new(&keys) < 0 ||
                    vault_keys_put(keys, &info, SECRET_KEY, strlen(SECRET_KEY), 0) < 0 ||
                    secret_copy("0123456789abcdef0123456789abcdef", VAULT_KEK_LEN, &kek) < 0)
                        abort();
                wrapping = (struct wrap){.kek = kek,
                                         .vault_id = (const uint8_t *)"the-vault's-id-!",
                                         .boot_id = "01234567-89ab-cdef-0123-456789abcdef"};
        }
        codes = code_memory_free(codes);
        if (code_memory_new(-EBADF, &codes) < 0)
                abort();
        n_used = 0;
}

static void must(bool claim) {
        if (!claim)
                abort();
}

/* Every code is signed once, unless it was given back in between. */
static void note_code(const struct aws_call *call, bool is_used) {
        char text[sizeof(used[0])];

        (void)snprintf(text, sizeof(text), "%s %s", call->mfa_serial, call->mfa_code);
        for (size_t i = 0; i < n_used; i++)
                if (strcmp(used[i], text) == 0) {
                        must(!is_used);
                        memmove(used[i], used[--n_used], sizeof(text));
                        return;
                }
        if (is_used) {
                must(n_used < CODES_MAX);
                memcpy(used[n_used++], text, sizeof(text));
        }
}

/* "http://" is for this machine alone. */
static bool is_loopback(const char *url) {
        char host[64];
        struct in_addr v4;

        if (sscanf(url, "http://%63[][0-9a-z.:]/", host) != 1)
                return false;
        if (strncmp(host, "[::1]", 5) == 0)
                return host[5] == ':' || host[5] == '\0';
        host[strcspn(host, ":")] = '\0';
        return strcmp(host, "localhost") == 0 ||
               (inet_pton(AF_INET, host, &v4) == 1 && ntohl(v4.s_addr) >> 24 == 127);
}

static void judge_session_token(const char *body, const struct aws_call *call) {
        unsigned duration = 0;
        char code[7] = "", serial[3 * MFA_SERIAL_MAX + 1] = "";

        must(sscanf(body,
                    "Action=GetSessionToken&Version=2011-06-15&DurationSeconds=%u&"
                    "SerialNumber=%768[^&]&TokenCode=%6[0-9]",
                    &duration, serial, code) == 3);
        must(duration >= 900 && duration <= 129600 && strlen(code) == 6 && strlen(serial) >= 9);
        must(strchr(strstr(body, "TokenCode="), '&') == NULL);
        note_code(call, /* is_used= */ true);
}

/* Only what AssumeRole has beside the code: each once but for lists, and encoded throughout. */
static void judge_role_parameters(const char *text) {
        static const char *const names[] = {
                "RoleArn=", "RoleSessionName=",   "ExternalId=",  "SourceIdentity=",
                "Policy=",  "PolicyArns.member.", "Tags.member.", "TransitiveTagKeys.member."};
        unsigned seen[ELEMENTSOF(names)] = {0};

        for (; text; text = strchr(text, '&')) {
                size_t i = 0;

                text += *text == '&';
                while (i < ELEMENTSOF(names) && strncmp(text, names[i], strlen(names[i])) != 0)
                        i++;
                must(i < ELEMENTSOF(names));
                seen[i]++;
                for (const char *p = text; *p && *p != '&'; p++)
                        must(strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                    "0123456789-._~%=",
                                    *p) != NULL);
        }
        must(seen[0] == 1 && seen[1] == 1 && seen[2] <= 1 && seen[3] <= 1 && seen[4] <= 1);
        must(seen[5] <= 10 && seen[6] <= 100 && seen[7] <= 50);
}

static void judge_assume_role(const char *body, const struct aws_call *call) {
        unsigned duration = 0;
        char code[7] = "", serial[3 * MFA_SERIAL_MAX + 1] = "";
        int at = 0;

        must(sscanf(body,
                    "Action=AssumeRole&Version=2011-06-15&DurationSeconds=%u&"
                    "SerialNumber=%768[^&]&TokenCode=%6[0-9]&%n",
                    &duration, serial, code, &at) == 3);
        must(duration >= 900 && duration <= 43200 && strlen(code) == 6 && strlen(serial) >= 9);
        must(at > 0);
        judge_role_parameters(body + at);
        note_code(call, /* is_used= */ true);
}

static void judge_signed(const struct signer_answer *a, const struct signer_request *q,
                         bool is_open) {
        const char *body = buf_text(&a->request.body), *headers = buf_text(&a->request.headers);

        must(is_open && q->type == SIGNER_REQUEST_SIGN && strcmp(q->key, "default") == 0);
        must(strncmp(a->request.url, "https://", 8) == 0 || is_loopback(a->request.url));
        must(strstr(headers, "Credential=AKIDEXAMPLE/2026112") !=
             NULL); /* now, give or take a day */
        if (strncmp(body, "Action=GetSessionToken&", 23) == 0)
                judge_session_token(body, &q->call);
        else if (strncmp(body, "Action=AssumeRole&", 18) == 0)
                judge_assume_role(body, &q->call);
        else
                must(strcmp(body, "Action=ListMFADevices&Version=2010-05-08") == 0 ||
                     strcmp(body, "Action=GetCallerIdentity&Version=2011-06-15") == 0);
}

/* Only what is open wraps; and what was wrapped comes back, whoever asks. */
static void judge_wrapped(const struct signer_answer *a, const struct signer_request *q,
                          bool is_open) {
        _cleanup_(secret_freep) struct secret *back = NULL;

        must(is_open && q->type == SIGNER_REQUEST_WRAP);
        must(wrap_open(&wrapping, a->wrapped, &back) == 0);
        must(memcmp(secret_reveal(back), q->blob_key, SIGNER_BLOB_KEY_LEN) == 0);
}

static void judge(const struct buf *answer, const struct signer_request *q, bool is_open) {
        _cleanup_(signer_answer_clear) struct signer_answer a = {0};

        must(answer->len > 0 && answer->len <= SIGNER_PACKET_MAX);
        must(memmem(answer->data, answer->len, SECRET_KEY, strlen(SECRET_KEY)) == NULL);
        must(signer_answer_decode(answer->data, answer->len, &a) == 0 && a.id == q->id);
        switch (a.type) {
        case SIGNER_ANSWER_STATUS: must(is_open || a.n_keys == 0); break;
        case SIGNER_ANSWER_SIGNED: judge_signed(&a, q, is_open); break;
        case SIGNER_ANSWER_REFUSED: break;
        case SIGNER_ANSWER_DONE: note_code(&q->call, /* is_used= */ false); break;
        case SIGNER_ANSWER_WRAPPED: judge_wrapped(&a, q, is_open); break;
        case SIGNER_ANSWER_UNWRAPPED:
                must(is_open && q->type == SIGNER_REQUEST_UNWRAP);
                must(a.blob_key && secret_len(a.blob_key) == SIGNER_BLOB_KEY_LEN);
                break;
        }
}

static void try_packet(const uint8_t *data, size_t size, bool is_open) {
        _cleanup_(buf_clear) struct buf answer = BUF_INIT(SIGNER_PACKET_MAX);
        struct sign_context context = {.vault = is_open ? VAULT_OPEN : VAULT_SEALED,
                                       .keys = is_open ? keys : NULL,
                                       .wrap = is_open ? wrapping : (struct wrap){0},
                                       .codes = codes,
                                       .now_sec = NOW};
        struct signer_request q = {0};
        int r;

        r = sign_packet(&context, data, size, &answer);
        must((r == 0) == (signer_request_decode(data, size, &q) == 0));
        if (r == 0)
                judge(&answer, &q, is_open);
        else
                must(answer.len == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        bool is_open;

        /* what a request says may come back in the answer */
        if (size == 0 || memmem(data, size, SECRET_KEY, strlen(SECRET_KEY)))
                return 0;
        set_up();
        is_open = data[0] & 1;
        for (data++, size--; size >= 2;) {
                size_t len = (size_t)data[0] | (size_t)data[1] << 8;

                data += 2, size -= 2;
                if (len > size)
                        len = size;
                try_packet(data, len, is_open);
                data += len, size -= len;
        }
        return 0;
}
