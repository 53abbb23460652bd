#include "client/port.h"
#include "client/mfad_conf.h"
#include "client/units.h"
#include "common/fs.h"
#include "common/sockdiag.h"

uint16_t port_configured(void) {
        struct fs_places places;
        struct mfad_conf conf;

        return fs_places(&places) >= 0 && mfad_conf_read(&places, &conf) >= 0 && conf.port != 0
                       ? conf.port
                       : MFAD_CONF_PORT_DEFAULT;
}

bool port_is_anothers(uint16_t port) {
        _cleanup_(fd_closep) int diag = sockdiag_open();
        uid_t uid;

        return diag >= 0 && ((sockdiag_listener_uid(diag, port, &uid) >= 0 && uid != geteuid()) ||
                             (sockdiag_listener6_uid(diag, port, &uid) >= 0 && uid != geteuid()));
}

const char *port_how_to_change(void) {
        return units_are_there()
                       ? "systemctl --user edit mfad.socket, with the lines for another port in "
                         "mfad.conf(5); then: systemctl --user restart mfad.socket"
                       : "set another `port` in mfad.conf(5), and start mfad again";
}
