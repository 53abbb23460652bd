/* fuzz-mfad-conf.c - any bytes as mfad.conf: mfad takes values that keep their promises or says what is wrong where,
 * and mfactl reads the same out of what mfad takes.
 * Owns:  a private folder with the file, removed at the end.
 * Calls: daemon/front/config.h, client/mfad_conf.h.
 * Limit: CONFIG_FILE_MAX bytes an input. */
#include "client/mfad_conf.h"
#include "common/fs.h"
#include "daemon/front/config.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct fs_places places;

static void remove_folder(void) {
        char path[PATH_LEN_MAX];

        if (fs_join(path, sizeof(path), places.config, "mfad.conf") == 0)
                (void)unlink(path);
        (void)rmdir(places.config);
}

static void write_file(const uint8_t *data, size_t size) {
        char path[PATH_LEN_MAX];
        int fd;

        if (!places.config[0]) {
                strcpy(places.home, "/home/user");
                strcpy(places.config, "/tmp/fuzz-mfad-conf-XXXXXX");
                if (!mkdtemp(places.config) || atexit(remove_folder) != 0)
                        abort();
        }
        assert(fs_join(path, sizeof(path), places.config, "mfad.conf") == 0);
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        assert(fd >= 0 && write(fd, data, size) == (ssize_t)size);
        (void)close(fd);
}

static bool is_path(const char *text) {
        return text[0] == '/' && text_is_printable(text, PATH_LEN_MAX - 1);
}

static void check(const struct config *c) {
        assert(c->port >= 1024);
        assert(!c->default_profile[0] || text_is_key_name(c->default_profile));
        assert(c->duration_sec >= 15 * 60 && c->duration_sec <= 36 * 60 * 60);
        assert(is_path(c->aws_config_file) && is_path(c->aws_credentials_file));
        assert(!c->proxy[0] || text_is_proxy(c->proxy));
        assert(!c->ca_bundle[0] || is_path(c->ca_bundle));
        assert(c->lock_idle_sec == 0 || (c->lock_idle_sec >= CONFIG_LOCK_IDLE_SEC_MIN &&
                                         c->lock_idle_sec <= CONFIG_LOCK_IDLE_SEC_MAX));
}

static void check_same(const struct config *c, const struct mfad_conf *m) {
        assert(m->port == (c->is_port_set ? c->port : 0));
        assert(m->has_proxy == (c->proxy[0] != '\0'));
        assert(!m->aws_config_file[0] || strcmp(m->aws_config_file, c->aws_config_file) == 0);
        assert(!m->aws_credentials_file[0] ||
               strcmp(m->aws_credentials_file, c->aws_credentials_file) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char error[CONFIG_ERROR_MAX];
        struct mfad_conf m;
        struct config c;
        int r;

        if (size > CONFIG_FILE_MAX)
                return 0;
        write_file(data, size);
        r = config_load(&places, &c, error);
        assert(mfad_conf_read(&places, &m) == 0);
        assert(!m.passphrase_command[0] ||
               (m.is_command_safe &&
                text_is_printable(m.passphrase_command, PASSPHRASE_COMMAND_MAX)));
        if (r < 0) {
                assert(strstr(error, "mfad.conf") && text_is_printable(error, sizeof(error) - 1));
                return 0;
        }
        check(&c);
        check_same(&c, &m);
        return 0;
}
