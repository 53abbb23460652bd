#include "daemon/front/recent.h"
#include "common/clock.h"
#include "common/encode.h"
#include "common/log.h"

#include <string.h>
#include <time.h>

struct recent {
        struct recent_event *all[RECENT_MAX]; /* the event with number n at n modulo RECENT_MAX */
        int64_t first, last;                  /* numbers; @last < @first: there is none */
        void (*fn)(void *userdata);
        void *userdata;
};

static size_t len_of(const char *text) {
        return text ? strnlen(text, RECENT_TEXT_MAX) + 1 : 0;
}

/* Copies @text to *@at, and moves that on. What is no text is shown as "?", byte by byte. */
static const char *put(char **at, const char *text) {
        size_t len = len_of(text);
        char *out = *at;

        if (!text)
                return NULL;
        memcpy(out, text, len - 1);
        out[len - 1] = '\0';
        text_make_printable(out);
        *at += len;
        return out;
}

static struct recent_event *copy(enum event event, const struct event_fields *f,
                                 const char *sentence) {
        static const struct event_fields none;
        struct recent_event *e;
        char *at;

        f = f ? f : &none;
        e = malloc(sizeof(*e) + len_of(sentence) + len_of(f->profile) + len_of(f->result) +
                   len_of(f->token) + len_of(f->key_id_suffix) + len_of(f->exe) + len_of(f->comm) +
                   len_of(f->unit));
        if (!e)
                return NULL;
        at = (char *)(e + 1);
        *e = (struct recent_event){.event = event, .fields = *f};
        e->sentence = put(&at, sentence);
        e->fields.profile = put(&at, f->profile);
        e->fields.result = put(&at, f->result);
        e->fields.token = put(&at, f->token);
        e->fields.key_id_suffix = put(&at, f->key_id_suffix);
        e->fields.exe = put(&at, f->exe);
        e->fields.comm = put(&at, f->comm);
        e->fields.unit = put(&at, f->unit);
        return e;
}

static int64_t now_usec(void) {
        struct timespec now;

        (void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail for this clock */
        return (int64_t)now.tv_sec * (int64_t)USEC_PER_SEC + now.tv_nsec / 1000;
}

static void on_event(enum event event, const struct event_fields *fields, const char *sentence,
                     void *userdata) {
        struct recent_event *e = copy(event, fields, sentence);
        struct recent *r = userdata;

        if (!e)
                return; /* nothing that asks for credentials fails for it */
        e->number = ++r->last;
        e->wall_usec = now_usec();
        free(r->all[e->number % RECENT_MAX]);
        r->all[e->number % RECENT_MAX] = e;
        if (e->number - r->first >= RECENT_MAX)
                r->first = e->number - RECENT_MAX + 1;
        if (r->fn)
                r->fn(r->userdata);
}

int recent_new(struct recent **ret) {
        struct recent *r = calloc(1, sizeof(*r));

        if (!r)
                return -ENOMEM;
        /* so that a new process image gives higher numbers than the one before it, which had fewer events
         * than one a microsecond, without either knowing of the other */
        r->last = now_usec();
        r->first = r->last + 1;
        log_listen(on_event, r);
        *ret = r;
        return 0;
}

struct recent *recent_free(struct recent *r) {
        if (!r)
                return NULL;
        log_listen(NULL, NULL);
        for (size_t i = 0; i < RECENT_MAX; i++)
                free(r->all[i]);
        free(r);
        return NULL;
}

const struct recent_event *recent_after(const struct recent *r, int64_t number) {
        if (number < r->first - 1 || number > r->last)
                number = r->first - 1;
        return number < r->last ? r->all[(number + 1) % RECENT_MAX] : NULL;
}

const struct recent_event *recent_newest(const struct recent *r) {
        return recent_after(r, r->last - 1);
}

void recent_watch(struct recent *r, void (*fn)(void *userdata), void *userdata) {
        r->fn = fn;
        r->userdata = userdata;
}
