/* http_head.h - a request's head as libmicrohttpd has parsed it, with every byte of it accounted for.
 * Owns:  nothing; what it fills in lends from MHD's memory, for the life of the request.
 * Calls: http_guard.h (its types), libmicrohttpd.
 * Limit: that of struct http_head; further headers are not looked at, and the guard refuses.
 * MHD hands out C strings, so that before 1.0 a NUL cuts a value short without a trace, and it joins
 * folded lines into names. Here both show. */
#pragma once
#include "daemon/front/http_guard.h"

struct MHD_Connection;

/* Whether this MHD can refuse NULs, folding and line ends that are not CRLF by itself. It must then be
 * started with MHD_OPTION_STRICT_FOR_CLIENT: http_head_read() relies on it. */
bool http_head_mhd_is_strict(void);

/* @method, @url and @version as MHD passes them to its access handler, @path and its true length as
 * they were before MHD unescaped them in place (at least the first HTTP_PATH_MAX bytes are there).
 * What cannot be trusted is left empty or marked in @ret: http_guard() refuses it. */
void http_head_read(struct http_head *ret, struct MHD_Connection *connection, const char *method,
                    const char *url, const char *version, const char *path, size_t path_len);
