#include "common/event_json.h"
#include "common/clock.h"
#include "common/encode.h"

#define TIME_LEN 21

static json_t *peer_json(const struct event_fields *f) {
        if (!f->has_peer)
                return json_null();
        return json_pack("{s:I, s:o, s:s?, s:s?, s:s?}", "uid", (json_int_t)f->uid, "pid",
                         f->pid > 0 ? json_integer(f->pid) : json_null(), "exe", f->exe, "comm",
                         f->comm, "unit", f->unit);
}

json_t *event_json(int64_t number, int64_t wall_usec, enum event event,
                   const struct event_fields *f, const char *sentence) {
        char at[TIME_LEN];

        encode_time_iso(wall_usec / (int64_t)USEC_PER_SEC, at);
        return json_pack("{s:I, s:s, s:I, s:s, s:s, s:s?, s:s?, s:s?, s:s?, s:o, s:o}", "number",
                         (json_int_t)number, "at", at, "at_usec", (json_int_t)wall_usec, "event",
                         event_name(event), "message", sentence, "profile", f->profile, "result",
                         f->result, "token", f->token, "access_key_id", f->key_id_suffix, "peer",
                         peer_json(f), "suppressed",
                         f->n_suppressed > 0 ? json_integer(f->n_suppressed) : json_null());
}
