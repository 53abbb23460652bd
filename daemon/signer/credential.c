#include "daemon/signer/credential.h"
#include "common/buf.h"
#include "common/fs.h"
#include "common/log.h"
#include "daemon/signer/vault.h"
#include "daemon/signer/vault_answers.h"

#include <fcntl.h>
#include <string.h>

/* Returns 1 with the passphrase in @b, 0 when there is none, or a negative errno. */
static int read_credential(const char *dir, struct buf *b) {
        _cleanup_(fd_closep) int fd = -EBADF;
        char path[PATH_LEN_MAX];
        int r;

        r = fs_join(path, sizeof(path), dir, CREDENTIAL_NAME);
        if (r < 0)
                return r;
        fd = open(path, O_RDONLY | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        r = fs_check_private_file(fd);
        if (r >= 0)
                r = fs_read_fd(fd, b);
        if (r < 0)
                return r;
        /* editors and `echo` end a file so; a passphrase never does */
        if (b->len > 0 && b->data[b->len - 1] == '\n')
                b->data[--b->len] = '\0';
        return strlen(buf_text(b)) == b->len ? 1 : -EINVAL;
}

static void try_passphrase(struct vault *v, const char *passphrase) {
        char why[VAULT_ANSWER_MAX];
        int r;

        r = vault_open(v, passphrase, /* accept_rollback= */ false);
        if (r == VAULT_OK) {
                log_event(EVENT_VAULT, NULL,
                          "vault opened with the credential \"" CREDENTIAL_NAME "\"");
                return;
        }
        if (r < 0) {
                (void)log_error(r, "cannot open the vault with the credential "
                                   "\"" CREDENTIAL_NAME "\"");
                return;
        }
        vault_answer_message(v, (enum vault_result)r, why);
        (void)log_warning(0, "the credential \"" CREDENTIAL_NAME "\" does not help: %s", why);
}

void credential_open_vault(struct vault *v) {
        _cleanup_(buf_clear) struct buf passphrase = BUF_INIT(VAULT_PASSPHRASE_MAX + 1);
        const char *dir = getenv("CREDENTIALS_DIRECTORY");
        int r;

        if (!dir)
                return;
        r = read_credential(dir, &passphrase);
        if (r < 0)
                (void)log_error(r, "cannot use the credential \"" CREDENTIAL_NAME "\" (one line, a "
                                   "file that nobody else may read)");
        if (r > 0)
                try_passphrase(v, buf_text(&passphrase));
        (void)unsetenv("CREDENTIALS_DIRECTORY"); /* cannot fail on this name */
}
