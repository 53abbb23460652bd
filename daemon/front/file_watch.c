#include "daemon/front/file_watch.h"
#include "common/clock.h"
#include "common/encode.h"
#include "common/log.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>

/* Also the folder's own end: then its parent is watched until it is back. */
#define CHANGES                                                                                    \
        (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_ATTRIB |        \
         IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

struct watched { /* one of the files */
        struct file_watch *owner;
        char path[PATH_LEN_MAX];
        sd_event_source *folder; /* of the path as given */
        sd_event_source *target; /* of the file that it links to, when that is another folder */
};

struct file_watch {
        sd_event *event;
        struct watched files[FILE_WATCH_MAX];
        size_t n;
        sd_event_source *quiet;
        void (*fn)(void *userdata);
        void *userdata;
};

void file_watch_poke(struct file_watch *w) {
        uint64_t until = clock_boot_usec() + FILE_WATCH_QUIET_MSEC * USEC_PER_MSEC;

        if (sd_event_source_get_enabled(w->quiet, NULL) > 0)
                return; /* counted from the first change: a row without end is heard, too */
        /* neither call can fail for a timer of a running loop */
        (void)sd_event_source_set_time(w->quiet, until);
        (void)sd_event_source_set_enabled(w->quiet, SD_EVENT_ONESHOT);
}

static int on_change(_unused_ sd_event_source *s, _unused_ const struct inotify_event *e,
                     void *userdata) {
        struct watched *f = userdata;

        file_watch_poke(f->owner); /* whatever it was, also an overflow */
        return 0;
}

/* Watches the nearest folder above @path that exists. */
static int watch_above(struct watched *f, const char *path, sd_event_source **ret) {
        char folder[PATH_LEN_MAX];
        char *slash;
        int r;

        (void)snprintf(folder, sizeof(folder), "%s", path); /* the same limit */
        do {
                slash = strrchr(folder, '/');
                if (!slash)
                        return -ENOENT;
                slash[slash == folder ? 1 : 0] = '\0';
                r = sd_event_add_inotify(f->owner->event, ret, folder, CHANGES, on_change, f);
        } while (r == -ENOENT && strcmp(folder, "/") != 0);
        return r;
}

static void watch_file(struct watched *f) {
        char target[PATH_MAX];
        int r;

        f->folder = sd_event_source_disable_unref(f->folder);
        f->target = sd_event_source_disable_unref(f->target);
        r = watch_above(f, f->path, &f->folder);
        if (r >= 0 && realpath(f->path, target) && strcmp(target, f->path) != 0 &&
            strlen(target) < PATH_LEN_MAX)
                r = watch_above(f, target, &f->target);
        if (r < 0)
                log_debug("cannot watch \"%s\": %s", f->path, strerror(-r));
}

static int on_quiet(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        struct file_watch *w = userdata;

        /* a folder may have come or gone, a link may lead elsewhere */
        for (size_t i = 0; i < w->n; i++)
                watch_file(&w->files[i]);
        w->fn(w->userdata);
        return 0;
}

int file_watch_new(sd_event *event, const char *const paths[], size_t n, void (*fn)(void *userdata),
                   void *userdata, struct file_watch **ret) {
        _cleanup_(file_watch_freep) struct file_watch *w = NULL;
        int r;

        assert(n <= FILE_WATCH_MAX);

        w = calloc(1, sizeof(*w));
        if (!w)
                return -ENOMEM;
        w->event = sd_event_ref(event);
        w->fn = fn;
        w->userdata = userdata;
        r = sd_event_add_time(event, &w->quiet, CLOCK_BOOTTIME, 0, 10 * USEC_PER_MSEC, on_quiet, w);
        if (r >= 0)
                r = sd_event_source_set_enabled(w->quiet, SD_EVENT_OFF);
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(w->quiet, "file-watch"); /* for debugging only */
        for (size_t i = 0; i < n; i++) {
                struct watched *f = &w->files[w->n++];

                f->owner = w;
                (void)snprintf(f->path, sizeof(f->path), "%s", paths[i]); /* callers' paths fit */
                watch_file(f);
        }
        *ret = TAKE_PTR(w);
        return 0;
}

struct file_watch *file_watch_free(struct file_watch *w) {
        if (!w)
                return NULL;
        for (size_t i = 0; i < w->n; i++) {
                (void)sd_event_source_disable_unref(w->files[i].folder); /* always NULL */
                (void)sd_event_source_disable_unref(w->files[i].target);
        }
        (void)sd_event_source_disable_unref(w->quiet);
        (void)sd_event_unref(w->event);
        free(w);
        return NULL;
}
