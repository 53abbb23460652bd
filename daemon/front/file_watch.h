/* file_watch.h - hears when one of a few files changes, also one that is replaced, made or a symbolic link.
 * Owns:  the inotify(7) watches on the files' folders.
 * Calls: sd-event.
 * Limit: FILE_WATCH_MAX files. Files on network mounts change unheard: who reads them looks again. */
#pragma once
#include "common/macros.h"
#include <stddef.h>
#include <systemd/sd-event.h>

#define FILE_WATCH_MAX 4

struct file_watch;

/* @fn runs from the event loop, FILE_WATCH_QUIET_MSEC after the first change of a row of them. @paths are
 * absolute and copied; a folder that is missing is watched for in its parent. */
#define FILE_WATCH_QUIET_MSEC 50
int file_watch_new(sd_event *event, const char *const paths[], size_t n, void (*fn)(void *userdata),
                   void *userdata, struct file_watch **ret);
/* As if a change had been heard. */
void file_watch_poke(struct file_watch *w);
struct file_watch *file_watch_free(struct file_watch *w);
DEFINE_FREEP(struct file_watch, file_watch)
