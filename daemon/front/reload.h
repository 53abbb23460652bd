/* reload.h - mfad.conf while mfad runs: read again when asked, and what is wrong with it at present.
 * Owns:  the notices. The configuration is lent and changed in place.
 * Calls: config.h, log.h.
 * Limit: RELOAD_NOTICES_MAX notices. */
#pragma once
#include "common/macros.h"
#include <stddef.h>
#include <stdint.h>

#define RELOAD_NOTICES_MAX 3

struct config;
struct fs_places;
struct reload;

/* @config, which was read from @places, and @places are lent until reload_free(). @http_port: what is
 * served, whatever @config says. Returns 0 or -ENOMEM. */
int reload_new(struct config *config, const struct fs_places *places, uint16_t http_port,
               struct reload **ret);
struct reload *reload_free(struct reload *r);
DEFINE_FREEP(struct reload, reload)

/* Reads the files again. Returns 0 with the new values in force, but for the names of files: the sandbox of
 * this process knows those of its start. Or a negative errno: then all old values stay. Logs what it did. */
int reload_read(struct reload *r);
/* What the user should know, from @i = 0 on; NULL beyond the last. Lent until the next reload_read(). */
const char *reload_notice(const struct reload *r, size_t i);
