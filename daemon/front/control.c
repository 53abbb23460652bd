#include "daemon/front/control.h"
#include "common/log.h"
#include "common/varlink_text.h"
#include "daemon/front/control_log.h"
#include "daemon/front/control_methods.h"
#include "daemon/front/control_profiles.h"
#include "daemon/front/recent.h"
#include "daemon/front/roles.h"
#include "daemon/front/session.h"

struct control {
        struct control_context context;
        struct varlink_server *server;
        sd_event_source *news; /* several changes in one turn of the loop make one message */
};

static const struct varlink_interface interface = {
        .name = "org.mfad.Control",
        .description = varlink_text_org_mfad_Control,
        .product = "mfad",
        .methods = control_methods,
};

static int on_news(_unused_ sd_event_source *s, void *userdata) {
        struct control *c = userdata;

        control_profiles_go_on(&c->context);
        control_methods_tell_watchers(&c->context);
        return 0;
}

static int on_log_news(_unused_ sd_event_source *s, void *userdata) {
        struct control *c = userdata;

        control_log_go_on(&c->context);
        return 0;
}

static void on_event(void *userdata) {
        struct control *c = userdata;

        control_log_wake(&c->context);
}

void control_changed(struct control *c) {
        (void)sd_event_source_set_enabled(c->news, SD_EVENT_ONESHOT); /* cannot fail once added */
}

static void on_session_changed(_unused_ const struct session *session, void *userdata) {
        control_changed(userdata);
}

static void on_role_changed(const struct role *role, void *userdata) {
        struct control *c = userdata;

        control_profiles_role_changed(&c->context, role);
        control_changed(c);
}

int control_new(sd_event *event, int listen_fd, const struct control_parts *parts,
                struct control **ret) {
        _cleanup_(fd_closep) int fd = listen_fd;
        _cleanup_(control_freep) struct control *c = NULL;
        int r;

        assert(ret);

        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        c->context.event = sd_event_ref(event);
        c->context.parts = *parts;
        r = sd_event_add_defer(event, &c->news, on_news, c);
        if (r >= 0)
                r = sd_event_source_set_enabled(c->news, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_defer(event, &c->context.log_news, on_log_news, c);
        if (r >= 0)
                r = sd_event_source_set_enabled(c->context.log_news, SD_EVENT_OFF);
        if (r >= 0)
                r = varlink_server_new(event, TAKE_FD(fd), &interface, &c->context, &c->server);
        if (r >= 0)
                r = sessions_watch(parts->sessions, on_session_changed, c);
        if (r >= 0)
                r = roles_watch(parts->roles, on_role_changed, c);
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(c->news, "control-news"); /* for debugging only */
        (void)sd_event_source_set_description(c->context.log_news, "control-log-news");
        recent_watch(parts->recent, on_event, c);
        *ret = TAKE_PTR(c);
        return 0;
}

struct control *control_free(struct control *c) {
        if (!c)
                return NULL;
        recent_watch(c->context.parts.recent, NULL, NULL);
        control_methods_end(&c->context);
        (void)varlink_server_free(c->server); /* both return NULL */
        (void)sd_event_source_disable_unref(c->news);
        (void)sd_event_source_disable_unref(c->context.log_news);
        (void)sd_event_unref(c->context.event);
        free(c);
        return NULL;
}

int control_listen_fd(const struct control *c) {
        return varlink_server_listen_fd(c->server);
}
