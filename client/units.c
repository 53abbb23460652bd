#include "client/units.h"
#include "client/child.h"
#include "common/fs.h"

#include <unistd.h>

#define SYSTEMCTL_MSEC 2000 /* somebody waits for an error's text */

bool units_are_there(void) {
        const char *runtime = getenv("XDG_RUNTIME_DIR");
        char path[PATH_LEN_MAX];

        return runtime && fs_join(path, sizeof(path), runtime, "systemd/private") == 0 &&
               access(path, F_OK) == 0 && access(MFAD_USERUNITDIR "/mfad.socket", F_OK) == 0;
}

const char *units_how_to_start(void) {
        return units_are_there() ? "systemctl --user enable --now mfad.socket mfad-signer.socket"
                                 : MFAD_LIBEXECDIR "/mfad-signer & " MFAD_LIBEXECDIR "/mfad &";
}

const char *units_how_to_restart(void) {
        return units_are_there() ? "systemctl --user restart mfad.service"
                                 : "end mfad, and start it again: " MFAD_LIBEXECDIR "/mfad &";
}

bool units_has_failed(const char *name) {
        const char *const argv[] = {"systemctl", "--user", "--quiet", "is-failed", name, NULL};
        char text[1];
        struct child_wish wish = {argv, SYSTEMCTL_MSEC, false, text, sizeof(text)};
        size_t len;

        return units_are_there() && child_run(&wish, &len) == 0;
}
