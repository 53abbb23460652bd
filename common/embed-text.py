#!/usr/bin/env python3
"""Writes a C file that holds a text file as one string: embed-text.py INPUT OUTPUT NAME."""
import sys

source, target, name = sys.argv[1:]
with open(source, encoding="utf-8") as f:
    lines = f.read().splitlines()


def literal(line):
    return '        "' + line.replace("\\", "\\\\").replace('"', '\\"') + '\\n"'


with open(target, "w", encoding="utf-8") as f:
    f.write('#include "common/varlink_text.h"\n\n')
    f.write(f"const char varlink_text_{name}[] =\n" + "\n".join(map(literal, lines)) + ";\n")
