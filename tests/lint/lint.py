#!/usr/bin/python3
"""lint.py CHECK ROOT [PROGRAM...]: runs one check over the tree; exit 1 with what is wrong, 77 when
it cannot run here (meson's code for "skipped"; a failure where MFAD_TEST_ALL is set)."""
import os
import sys

import checks
import layers
from tree import Tree

CHECKS = {
    'layers': layers.check_layers,
    'layers-table': layers.check_layers_table,
    'sizes': checks.check_sizes,
    'openings': checks.check_openings,
    'clang-format': checks.check_clang_format,
    'shellcheck': checks.check_shellcheck,
    'switches': checks.check_switches,
    'literals': checks.check_literals,
    'unfinished': checks.check_unfinished,
    'reveal': checks.check_reveal,
    'architecture': checks.check_architecture,
    'man': checks.check_man,
}


def main(arguments):
    if len(arguments) < 2 or arguments[0] not in CHECKS:
        print(f'usage: lint.py {"|".join(CHECKS)} ROOT [PROGRAM...]', file=sys.stderr)
        return 2
    try:
        problems = CHECKS[arguments[0]](Tree(arguments[1]), *([arguments[2:]] if arguments[2:] else []))
    except checks.Skipped as reason:
        print(f'skipped: {reason}')
        may_be_left_out = isinstance(reason, checks.OtherVersion) or 'MFAD_TEST_ALL' not in os.environ
        return 77 if may_be_left_out else 1
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
