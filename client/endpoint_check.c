#include "client/endpoint_check.h"
#include "client/aws_files.h"
#include "client/client_token.h"
#include "client/output.h"
#include "client/port.h"
#include "client/units.h"
#include "common/buf.h"
#include "common/sockdiag.h"

#include <string.h>

static enum exit_code check_listener(uint16_t port) {
        _cleanup_(fd_closep) int diag = sockdiag_open();
        uid_t uid = (uid_t)-1;
        int r;

        r = diag < 0 ? diag : sockdiag_listener_uid(diag, port, &uid);
        if (r < 0) {
                output_error("cannot tell who listens on 127.0.0.1:%u: %s", port,
                             r == -ENOENT ? "nobody does" : strerror(-r));
                output_hint("run: %s", units_how_to_restart());
                return EXIT_CODE_NOT_RUNNING;
        }
        if (uid != geteuid()) {
                output_error(
                        "the port 127.0.0.1:%u belongs to user %u, not to you: nothing is given "
                        "to it",
                        port, (unsigned)uid);
                output_hint("to choose another: %s", port_how_to_change());
                return EXIT_CODE_NOT_RUNNING;
        }
        return EXIT_CODE_OK;
}

/* A profile of the user's own that holds keys wins over the container endpoint in every SDK. */
static void warn_of_default(const struct aws_files *files, const struct aws_config *config) {
        const struct aws_profile *profile = aws_config_find(config, "default");

        if (profile && profile->has_key)
                output_warning(
                        "[default] in %s holds a key, which every SDK prefers; run: mfactl init",
                        files->credentials);
}

static const char *default_profile(const json_t *status) {
        const char *name = call_text(status, "default_profile");

        return name ? name : "default";
}

/* The region in the files of the profile that is meant, lent from @ret_config; "" when they know none. */
static const char *find_region(const char *profile, const json_t *status,
                               struct aws_config **ret_config) {
        const struct aws_profile *found;
        struct aws_files files;
        const char *key;

        if (aws_files_find(NULL, &files) != EXIT_CODE_OK ||
            aws_files_load(&files, false, ret_config) != EXIT_CODE_OK)
                return "";
        warn_of_default(&files, *ret_config);
        found = aws_config_find(*ret_config, profile ? profile : default_profile(status));
        key = call_text(status, "default_key");
        if (!profile && key && (!found || !*found->where.region))
                found = aws_config_find(*ret_config,
                                        key); /* what a role does not say its key does */
        return found ? found->where.region : "";
}

static enum exit_code make(const struct environment_input *in, struct environment **ret) {
        int r = environment_new(in, ret);

        if (r >= 0)
                return EXIT_CODE_OK;
        output_error("%s", r == -EINVAL ? "a profile has a name" : strerror(-r));
        return r == -EINVAL ? EXIT_CODE_USAGE : EXIT_CODE_FAILURE;
}

enum exit_code endpoint_check(struct link *control, const struct endpoint_wish *wish,
                              struct environment **ret) {
        _cleanup_(aws_config_freep) struct aws_config *config = NULL;
        _cleanup_(buf_clear) struct buf token = BUF_INIT(CLIENT_TOKEN_TEXT_MAX);
        struct environment_input in = {.profile = wish->profile,
                                       .expiration = wish->expiration,
                                       .is_region_meant = wish->profile};
        char token_path[PATH_LEN_MAX];
        json_auto_t *status = NULL;
        enum exit_code code;
        int r;

        code = call_run(control, CONTROL("GetStatus"), NULL, CALL_SEC, &status);
        if (code != EXIT_CODE_OK)
                return code;
        in.port = (uint16_t)call_number(status, "http_port", 0);
        code = check_listener(in.port);
        if (code != EXIT_CODE_OK)
                return code;
        r = client_token_read(token_path, &token);
        if (r < 0) {
                output_error("the client token cannot be trusted: %s/mfad/token: %s",
                             getenv("XDG_RUNTIME_DIR"), client_token_why_not(r));
                output_hint("mfad makes a new one when it starts; run: %s", units_how_to_restart());
                return EXIT_CODE_NOT_RUNNING;
        }
        in.token = wish->with_token ? buf_text(&token) : NULL;
        in.token_path = token_path;
        in.region = find_region(wish->profile, status, &config);
        if (wish->region)
                in.region = wish->region;
        return make(&in, ret);
}
