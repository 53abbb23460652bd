"""The source tree as the checks see it: its files, their text, and C without comments and strings."""
import os
import re
import subprocess

SKIPPED_FOLDERS = {'.git', '__pycache__', 'node_modules', '.pytest_cache', 'corpus', 'vectors'}


class Tree:
    """All text files below @root that belong to the project, by path relative to it."""

    def __init__(self, root):
        self.root = root
        self._texts = {}
        self.files = sorted(self._paths())

    def _paths(self):
        """What git knows or would take; of a tarball, all that building and running does not make."""
        known = self._of_git()
        for path in self._of_folders() if known is None else known:
            if not SKIPPED_FOLDERS & set(path.split('/')) and is_text(self.absolute(path)):
                yield path

    def _of_git(self):
        """None without git, or when this is not the top folder of what it keeps."""
        def git(*words):
            return subprocess.run(['git', '-C', self.root, *words], capture_output=True, text=True, check=True).stdout
        try:
            if os.path.realpath(git('rev-parse', '--show-toplevel').rstrip('\n')) != os.path.realpath(self.root):
                return None
            return git('ls-files', '-z', '--cached', '--others', '--exclude-standard').split('\0')[:-1]
        except (OSError, subprocess.CalledProcessError):
            return None

    def _of_folders(self):
        for folder, names, files in os.walk(self.root):
            relative = os.path.relpath(folder, self.root)
            if relative == '.':  # folders, and the logs of builds that failed
                names[:], files = ([n for n in entries if not n.startswith('build')] for entries in (names, files))
            names[:] = [n for n in names if n not in SKIPPED_FOLDERS]
            for name in files:
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


def is_text(path):
    """False also for what is not there: a file that git still knows."""
    try:
        with open(path, 'rb') as f:
            return os.path.isfile(path) and b'\0' not in f.read()
    except OSError:
        return False


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
