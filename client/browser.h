/* browser.h - shows an address that is a secret to the user's browser, and to nobody else.
 * Owns:  a page in the runtime directory, for BROWSER_PAGE_SEC, and the process that removes it.
 * Calls: fs.h, buf.h, xdg-open(1).
 * Limit: BROWSER_PAGE_MAX bytes.
 * An argument of a program can be read by every user; so the browser is given the name of a page of ours
 * (0600) that leads on to the address. */
#pragma once
#include "common/macros.h"

#define BROWSER_PAGE_MAX ((size_t)128 * 1024)
#define BROWSER_PAGE_SEC 20 /* a browser that has to start first takes some time to read it */
#define BROWSER_WAIT_SEC 5  /* for xdg-open to say that it found no browser */

struct buf;

/* @prepare runs in the new process before xdg-open. Returns 0; -ENOENT when there is no runtime directory
 * or no xdg-open; -ENOEXEC when xdg-open failed; another negative errno. */
int browser_open(const char *url, void (*prepare)(void));
/* The page: HTML that leads to @url at once. Errors as buf_put(). */
int browser_page(const char *url, struct buf *ret);
