/* main.c - replays a folder of inputs through one fuzz target, so that the corpus runs everywhere.
 * Owns:  nothing.
 * Calls: LLVMFuzzerTestOneInput() of the target it is linked with.
 * Limit: FUZZ_INPUT_MAX bytes an input. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define FUZZ_INPUT_MAX (1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *dir, const char *name) {
        char path[4096];
        uint8_t *data;
        size_t n;
        FILE *f;

        (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
        f = fopen(path, "rb");
        data = malloc(FUZZ_INPUT_MAX);
        if (!f || !data)
                return -1;
        n = fread(data, 1, FUZZ_INPUT_MAX, f);
        (void)fclose(f);
        /* an exact copy, so that a sanitizer sees the first byte read past the end */
        uint8_t *exact = malloc(n > 0 ? n : 1);
        if (!exact)
                return -1;
        for (size_t i = 0; i < n; i++)
                exact[i] = data[i];
        (void)LLVMFuzzerTestOneInput(exact, n);
        free(exact);
        free(data);
        return 0;
}

int main(int argc, char *argv[]) {
        struct dirent *entry;
        unsigned count = 0;
        DIR *d;

        if (argc != 2 || !(d = opendir(argv[1]))) {
                fprintf(stderr, "usage: %s CORPUS-FOLDER\n", argv[0]);
                return 2;
        }
        while ((entry = readdir(d))) {
                if (entry->d_name[0] == '.')
                        continue;
                if (replay(argv[1], entry->d_name) < 0) {
                        perror(entry->d_name);
                        return 1;
                }
                count++;
        }
        (void)closedir(d);
        printf("%u inputs replayed\n", count);
        return count == 0; /* an empty corpus tests nothing */
}
