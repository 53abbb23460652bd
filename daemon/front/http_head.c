#include "daemon/front/http_head.h"
#include "common/macros.h"

#include <microhttpd.h>
#include <string.h>

#define CRLF_LEN 2

/* From 1.0 on MHD refuses all of this itself when it is told to be strict, and where a head lies in
 * its memory is its own business. What follows is for the versions before.
 * MHD 0.9.75 keeps the head where it was received and writes NULs over the ends of its parts. So each
 * part must begin exactly where the one before it has ended: what is left over is a NUL that cut a
 * value short, a folded line, or a line end that is not CRLF. @next is where the next part must be.
 * (NUL LF cannot be told from CRLF, nor LF ":" CRLF from the two CRLFs of the head's end. No bytes are
 * left out in either, and what follows the latter is judged as the next request.) */
struct reader {
        struct http_head *head;
        const char *next; /* NULL when MHD is strict */
};

bool http_head_mhd_is_strict(void) {
        return MHD_get_version()[0] != '0'; /* of the library that runs: "0.9.75", "1.0.1" */
}

/* @p lies within the head, with CRLF_LEN bytes to go at least. Newer versions of MHD leave the bytes
 * alone that they need not overwrite. */
static bool was_line_end(const char *p) {
        return (p[0] == '\0' || p[0] == '\r') && (p[1] == '\0' || p[1] == '\n');
}

static bool header_follows(struct reader *reader, const char *name, size_t name_len,
                           const char *value, size_t value_len) {
        if (!value || name != reader->next || value <= name + name_len)
                return false;
        reader->next = value + value_len + CRLF_LEN;
        return was_line_end(value + value_len);
}

static enum MHD_Result on_header(void *cls, _unused_ enum MHD_ValueKind kind, const char *name,
                                 size_t name_len, const char *value, size_t value_len) {
        struct reader *reader = cls;
        struct http_head *head = reader->head;

        if (head->is_whole && reader->next)
                head->is_whole = header_follows(reader, name, name_len, value, value_len);
        head->headers[head->n_headers++] = (struct http_header){
                .name = {name, name_len},
                .value = {value ? value : "", value_len},
        };
        return head->n_headers < ELEMENTSOF(head->headers) ? MHD_YES : MHD_NO;
}

void http_head_read(struct http_head *ret, struct MHD_Connection *connection, const char *method,
                    const char *url, const char *version, const char *path, size_t path_len) {
        struct reader reader = {.head = ret};
        size_t method_len = strlen(method);
        const char *end;

        ret->method = (struct http_text){method, method_len};
        ret->path = (struct http_text){path, path_len};
        ret->version = (struct http_text){version, strlen(version)};
        ret->n_headers = 0;
        ret->is_whole = true;
        if (http_head_mhd_is_strict()) {
                (void)MHD_get_connection_values_n(connection, MHD_HEADER_KIND, on_header, &reader);
                return;
        }

        /* a NUL in one of the first two leaves a gap before the next part: then it is none at all */
        if (url != method + method_len + 1)
                ret->method.len = 0;
        if (version != url + path_len + 1)
                ret->path.len = 0;
        reader.next = version + ret->version.len + CRLF_LEN;
        (void)MHD_get_connection_values_n(connection, MHD_HEADER_KIND, on_header, &reader);
        end = method + MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE)
                               ->header_size;
        if (reader.next + CRLF_LEN != end || !was_line_end(reader.next))
                ret->is_whole = false;
}
