/* confine.h - the sandbox of mfad, and with it of every mfad-fetch.
 * Owns:  nothing; it lasts until the process ends.
 * Calls: common/sandbox.h, common/aws_profile.h (for where certificates are).
 * Limit: places are known once, at the start: see confine_enter(). */
#pragma once
#include "common/sandbox.h"

struct config;
struct fs_places;

/* Writing in the runtime directory only. Reading of the system's files, mfad.conf, the AWS files and the
 * certificates that they name now, by their folders; so ~/.aws and the folder of mfad.conf are made if they
 * are missing. Executing this program and mfad-fetch. Returns what is in force. */
struct sandbox confine_enter(const struct fs_places *places, const struct config *config);
