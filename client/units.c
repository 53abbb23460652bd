#include "client/units.h"
#include "common/fs.h"

#include <unistd.h>

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
