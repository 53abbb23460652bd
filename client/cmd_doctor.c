#include "client/commands.h"
#include "client/doctor.h"
#include "client/output.h"

#include <string.h>

static void close_doctor(struct doctor *d) {
        doctor_report_close(&d->report);
        d->control = link_free(d->control);
        d->vault = link_free(d->vault);
        json_decref(d->status);
        json_decref(d->vault_status);
        json_decref(d->profiles);
        buf_clear(&d->token);
}

enum exit_code cmd_doctor(const struct args *args) {
        _cleanup_(close_doctor) struct doctor d = {.is_offline = args->is_set[ARGS_OFFLINE],
                                                   .token = BUF_INIT(CLIENT_TOKEN_TEXT_MAX)};
        int r;

        r = doctor_report_open(&d.report, args->is_set[ARGS_JSON]);
        if (r >= 0)
                r = fs_places(&d.places);
        if (r >= 0)
                r = mfad_conf_read(&d.places, &d.conf);
        if (r < 0) {
                output_error("cannot tell where mfad's files are: %s", strerror(-r));
                output_hint("HOME must be set, and be an absolute path");
                return EXIT_CODE_FAILURE;
        }
        doctor_service(&d);
        doctor_vault(&d);
        doctor_sessions(&d);
        doctor_configuration(&d);
        doctor_environment(&d);
        doctor_aws_files(&d);
        doctor_tools(&d);
        return doctor_report_end(&d.report);
}
