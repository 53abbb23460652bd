"""The source tree as the checks see it: its files, their text, and C without comments and strings."""
import os
import re

SKIPPED_FOLDERS = {'.git', '__pycache__', 'node_modules', '.pytest_cache', 'corpus', 'vectors'}
TEXT_SUFFIXES = {'.c', '.h', '.py', '.sh', '.md', '.scd', '.varlink', '.build', '.txt', '.js',
                 '.mjs', '.go', '.json', '.fish', '.bash', '.service', '.socket', '.conf', ''}


class Tree:
    """All text files below @root that belong to the project, by path relative to it."""

    def __init__(self, root):
        self.root = root
        self._texts = {}
        self.files = sorted(self._walk())

    def _walk(self):
        for folder, names, files in os.walk(self.root):
            relative = os.path.relpath(folder, self.root)
            names[:] = [n for n in names if n not in SKIPPED_FOLDERS and not (
                relative == '.' and n.startswith('build'))]
            for name in files:
                if os.path.splitext(name)[1] in TEXT_SUFFIXES:
                    yield os.path.normpath(os.path.join(relative, name))

    def text(self, path):
        if path not in self._texts:
            with open(os.path.join(self.root, path), encoding='utf-8', errors='replace') as f:
                self._texts[path] = f.read()
        return self._texts[path]

    def has(self, path):
        return os.path.exists(os.path.join(self.root, path))

    def absolute(self, path):
        return os.path.join(self.root, path)

    def c_files(self, *folders):
        """The .c and .h files, of the given top folders only when any are given."""
        return [f for f in self.files if f.endswith(('.c', '.h')) and (
            not folders or f.split('/')[0] in folders)]

    def shell_files(self):
        return [f for f in self.files if f.endswith(('.sh', '.bash')) or
                re.match(r'#!/bin/(ba|da)?sh\b', self.text(f))]


def c_blank(text):
    """@text with comments, strings and character constants replaced by blanks, lines kept."""
    def blank(match):
        token = match.group(0)
        return re.sub(r'[^\n]', ' ', token)
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text,
                  flags=re.S)


def c_includes(text):
    """(is_own, name) of each #include."""
    return [(kind == '"', name) for kind, name in
            re.findall(r'^\s*#\s*include\s*(["<])([^">]+)[">]', text, flags=re.M)]


def c_functions(text):
    """(name, first line, number of lines) of each function; relies on clang-format's layout."""
    lines = c_blank(text).split('\n')
    functions = []
    start = None
    for i, line in enumerate(lines):
        if start is None and line.rstrip().endswith('{') and not line.startswith((' ', '#', '}')):
            first = i
            while first > 0 and lines[first].startswith(' '):
                first -= 1
            head = ' '.join(lines[first:i + 1])
            start = (first, re.search(r'(\w+)\s*\(', head))
        elif start is None and re.match(r'\s+.*\)\s*\{$', line) and i > 0:
            # a head of several lines: its first one stands at the margin
            first = i
            while first > 0 and lines[first].startswith((' ', '\t')):
                first -= 1
            if '(' in lines[first] and not lines[first].rstrip().endswith((';', '{')):
                start = (first, re.search(r'(\w+)\s*\(', lines[first]))
        elif start is not None and line.startswith('}'):
            if start[1]:
                functions.append((start[1].group(1), start[0] + 1, i - start[0] + 1))
            start = None
    return functions


def c_switches(text):
    """(line, case labels, has default) of each switch, inner ones apart from outer ones."""
    blank = c_blank(text)
    found = []
    for match in re.finditer(r'\bswitch\s*\(', blank):
        opened = blank.find('{', match.end())
        depth, i = 1, opened + 1
        own = []
        inner = None
        while depth > 0 and i < len(blank):
            if inner is None and re.match(r'switch\b', blank[i:i + 7]) and not blank[i - 1].isalnum():
                inner = depth
            if blank[i] == '{':
                depth += 1
            elif blank[i] == '}':
                depth -= 1
                if inner is not None and depth == inner:
                    inner = None
            if inner is None:
                own.append(blank[i])
            i += 1
        body = ''.join(own)
        found.append((blank.count('\n', 0, match.start()) + 1,
                      re.findall(r'\bcase\s+(\w+)', body), bool(re.search(r'\bdefault\s*:', body))))
    return found


def c_enumerators(text):
    """The names in every enum."""
    names = set()
    for body in re.findall(r'\benum\b[^{};()]*\{([^}]*)\}', c_blank(text)):
        names.update(re.findall(r'(?:^|,)\s*([A-Za-z_]\w*)', body))
    return names
