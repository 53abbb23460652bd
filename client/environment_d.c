#include "client/environment_d.h"
#include "client/output.h"
#include "client/prompt.h"
#include "common/buf.h"
#include "common/fs.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_NAME "60-mfad.conf"
#define MARK      "# written by mfactl init"

struct place {
        char dir[PATH_LEN_MAX];
        char file[PATH_LEN_MAX];
};

static enum exit_code fail(const char *what, const char *path, int r) {
        output_error("cannot %s %s: %s", what, path, strerror(-r));
        return EXIT_CODE_FAILURE;
}

/* Beside our own folder of settings: both are in $XDG_CONFIG_HOME. */
static enum exit_code find_place(struct place *ret) {
        struct fs_places places;
        char *end;
        int r;

        r = fs_places(&places);
        end = r < 0 ? NULL : strrchr(places.config, '/');
        if (end)
                *end = '\0';
        if (r >= 0)
                r = fs_join(ret->dir, sizeof(ret->dir), places.config, "environment.d");
        if (r >= 0)
                r = fs_join(ret->file, sizeof(ret->file), ret->dir, FILE_NAME);
        return r < 0 ? fail("find", "environment.d", r) : EXIT_CODE_OK;
}

static enum exit_code fill(struct buf *b, uint16_t port) {
        int r = buf_printf(b,
                           MARK "; mfactl init --no-environment removes it\n"
                                "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:%u/\n"
                                "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE="
                                "${XDG_RUNTIME_DIR}/mfad/token\n"
                                "AWS_EC2_METADATA_DISABLED=true\n",
                           (unsigned)port);

        return r < 0 ? fail("write", FILE_NAME, r) : EXIT_CODE_OK;
}

static enum exit_code write_file(const struct place *place, const struct buf *text) {
        _cleanup_(fd_closep) int fd = -EBADF;
        char parent[PATH_LEN_MAX];
        int r = 0;

        strcpy(parent, place->dir);
        *strrchr(parent, '/') = '\0'; /* "/environment.d" is its end */
        if ((mkdir(parent, 0700) < 0 && errno != EEXIST) ||
            (mkdir(place->dir, 0700) < 0 && errno != EEXIST))
                return fail("make", place->dir, -errno);
        fd = open(place->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        r = fd < 0 ? -errno : fs_replace_file(fd, FILE_NAME, buf_text(text), text->len, 0600);
        if (r < 0)
                return fail("write", place->file, r);
        output_say(OUTPUT_PLAIN, "Written to %s.\n", place->file);
        return EXIT_CODE_OK;
}

/* Whether what was read says so; a file that cannot be read (@r) does not. */
static bool is_ours(int r, const struct buf *found) {
        return r >= 0 && strncmp(buf_text(found), MARK, strlen(MARK)) == 0;
}

enum exit_code environment_d_offer(uint16_t port, bool is_unattended) {
        _cleanup_(buf_clear) struct buf text = BUF_INIT(ENVIRONMENT_D_MAX);
        _cleanup_(buf_clear) struct buf found = BUF_INIT(ENVIRONMENT_D_MAX);
        enum exit_code code;
        struct place place;
        int r;

        code = find_place(&place);
        if (code == EXIT_CODE_OK)
                code = fill(&text, port);
        if (code != EXIT_CODE_OK)
                return code;
        r = fs_read_file(place.file, &found);
        if (r != -ENOENT && !is_ours(r, &found)) {
                output_warning("%s was not written by mfactl, so it stays as it is", place.file);
                output_hint(
                        "move it away and run mfactl init again, and every program will find mfad "
                        "from the next login on");
                return EXIT_CODE_OK;
        }
        if (r >= 0 && strcmp(buf_text(&found), buf_text(&text)) == 0)
                return EXIT_CODE_OK;
        if (!is_unattended && !prompt_is_possible())
                return EXIT_CODE_OK;
        output_say(
                OUTPUT_PLAIN,
                "From the next login on, three variables in %s can lead every program of the "
                "desktop to mfad.\n"
                "SDKs of before 2024 need the token itself, and so do consoles and ssh: there as "
                "ever, eval \"$(mfactl env)\"\n"
                "They lead to the port, whoever listens there: say no on a machine with users whom "
                "you do not trust,\nand let AWS's tools run mfactl creds (credential_process).\n",
                place.file);
        if (!is_unattended && !prompt_yes("Write them?", true))
                return EXIT_CODE_OK;
        return write_file(&place, &text);
}

enum exit_code environment_d_remove(void) {
        _cleanup_(buf_clear) struct buf found = BUF_INIT(ENVIRONMENT_D_MAX);
        struct place place;
        enum exit_code code;
        int r;

        code = find_place(&place);
        if (code != EXIT_CODE_OK)
                return code;
        r = fs_read_file(place.file, &found);
        if (r == -ENOENT) {
                output_say(OUTPUT_PLAIN, "There is no %s.\n", place.file);
                return EXIT_CODE_OK;
        }
        if (r < 0)
                return fail("read", place.file, r);
        if (!is_ours(r, &found)) {
                output_error("%s was not written by mfactl, so it stays", place.file);
                return EXIT_CODE_FAILURE;
        }
        if (unlink(place.file) < 0)
                return fail("remove", place.file, -errno);
        output_say(OUTPUT_PLAIN,
                   "Removed %s. What runs already keeps the variables until the next login.\n",
                   place.file);
        return EXIT_CODE_OK;
}
