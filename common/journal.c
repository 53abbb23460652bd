#include "common/journal.h"
#include "common/macros.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

bool journal_is_stderr(void) {
        const char *stream = getenv("JOURNAL_STREAM");
        uint64_t device, inode;
        struct stat st;

        /* the variable is inherited also by what has another standard error: so both are compared */
        return stream && sscanf(stream, "%" SCNu64 ":%" SCNu64, &device, &inode) == 2 &&
               fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

int journal_open(void) {
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        return fd < 0 ? -errno : fd;
}

/* Appends "NAME=value" and a newline to @entry, which has @len bytes. Returns its length: without the field
 * when it has no room at all. */
static size_t add(char *entry, size_t len, const struct journal_field *field) {
        size_t room = JOURNAL_ENTRY_MAX - len, name_len = strlen(field->name);
        size_t value_len = strlen(field->value);

        if (room < name_len + 2)
                return len;
        if (value_len > room - name_len - 2)
                value_len = room - name_len - 2;
        memcpy(entry + len, field->name, name_len);
        len += name_len;
        entry[len++] = '=';
        for (size_t i = 0; i < value_len; i++) {
                unsigned char c = (unsigned char)field->value[i];

                entry[len++] = c < 0x20 || c == 0x7f ? ' ' : (char)c; /* a newline ends a field */
        }
        entry[len++] = '\n';
        return len;
}

int journal_send(int fd, const char *path, const struct journal_field *fields, size_t n) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        char entry[JOURNAL_ENTRY_MAX];
        size_t len = 0;

        if (strlen(path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        strcpy(address.sun_path, path);
        for (size_t i = 0; i < n; i++)
                if (fields[i].value)
                        len = add(entry, len, &fields[i]);
        /* by name each time: a connected socket would not find a journald that was started anew */
        if (sendto(fd, entry, len, MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)&address,
                   sizeof(address)) < 0)
                return errno == ENOBUFS ? -EAGAIN : -errno;
        return 0;
}
