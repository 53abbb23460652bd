/* persist_blob.h - the bytes of the file in which sessions and roles outlive a process: entries, encrypted.
 * Owns:  nothing.
 * Calls: lease.h, common/aead.h, wire.h. No files, no event loop; docs/vault-format.md has the layout.
 * Limit: PERSIST_FILE_MAX bytes a file, and those of the fields. */
#pragma once
#include "common/signer_proto.h"
#include "daemon/front/lease.h"
#include "daemon/front/role_mark.h"
#include <stdbool.h>

#define PERSIST_HEADER_LEN  ((size_t)88)
#define PERSIST_FILE_MAX    ((size_t)16 * 1024 * 1024) /* some 8000 roles of a usual size */
#define PERSIST_ENTRIES_MAX (PERSIST_FILE_MAX - PERSIST_HEADER_LEN - 16)

struct buf;
struct wire_reader;

enum persist_kind {
        PERSIST_SESSION = 1,
        PERSIST_ROLE,
        PERSIST_ROLE_ARN, /* asked for by its ARN: no profile has that name */
        PERSIST_DIRECT,   /* a session of a role with mfad_direct_mfa */
};

/* Whether it was bought with a code. */
bool persist_is_session(enum persist_kind kind);

struct persist_entry {
        enum persist_kind kind;
        char name[USER_ARN_MAX + 1];
        char mfa_serial[MFA_SERIAL_MAX + 1]; /* a session */
        bool is_asked_for;                   /* a role, and the next likewise */
        uint64_t used_usec;
        struct role_mark mark; /* a role, or DIRECT */
        struct lease lease;    /* with credentials */
};

/* Appends one. Errors as buf_put(), and then nothing was appended. */
int persist_entry_put(const struct persist_entry *e, struct buf *b);
/* Reads the next one. Returns 1, 0 at the end, -EBADMSG for what persist_entry_put() would not have written,
 * -ENOMEM. Free @ret with persist_entry_clear(), also on failure. */
int persist_entry_get(struct wire_reader *r, struct persist_entry *ret);
void persist_entry_clear(struct persist_entry *e);

/* Writes a complete file to the empty @ret, with a nonce of its own, and with clock_asleep_usec() as it is now.
 * @wrapped: @key as mfad-signer wrapped it. Returns 0, -EIO when libcrypto fails, -ENOMEM, -E2BIG. */
int persist_blob_seal(const struct secret *key, const uint8_t wrapped[SIGNER_WRAPPED_LEN],
                      const struct buf *entries, struct buf *ret);
/* Whether it can be one of ours, and the wrapped key in it. Returns 0 or -EBADMSG. */
int persist_blob_check(const void *file, size_t len, uint8_t ret_wrapped[SIGNER_WRAPPED_LEN]);
/* Decrypts what has passed persist_blob_check() to the empty @ret. Returns 0, -EBADMSG for another key or a
 * changed bit, -EIO, -ENOMEM. */
int persist_blob_open(const struct secret *key, const void *file, size_t len, struct buf *ret);
/* clock_asleep_usec() when it was written. To be believed when persist_blob_open() has opened it. */
uint64_t persist_blob_asleep_usec(const void *file);
