"""The rules of the house that a machine can see. Each check returns a list of sentences."""
import ast
import re
import shutil
import subprocess

from tree import c_blank, c_enumerators, c_functions, c_switches

FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 60
CLANG_FORMAT_VERSION = '14'  # Debian 12's; other versions lay the same code out otherwise
SOURCE_FOLDERS = ('common', 'daemon', 'client')

# Who may see the bytes of a secret: what needs them to compute, to send or to answer, and nobody else.
MAY_REVEAL = {
    'common/secret.c', 'common/secret.h', 'common/aws_credentials.c', 'common/aws_signin.c', 'common/fetch_proto.c', 'common/signer_proto.c', 'common/sigv4.c',
    'client/cmd_unlock.c', 'client/import.c', 'client/passphrase_command.c', 'client/unseal.c',
    'daemon/front/aws_api.c', 'daemon/front/control_profiles.c', 'daemon/front/endpoint_ecs.c',
    'daemon/front/http_answer.c', 'daemon/front/persist.c', 'daemon/front/persist_blob.c',
    'daemon/signer/code_memory.c', 'daemon/signer/kdf.c', 'daemon/signer/vault.c', 'daemon/signer/vault_api.c',
    'daemon/signer/vault_file.c', 'daemon/signer/vault_keys.c', 'daemon/signer/wrap.c',
}


class Skipped(Exception):
    """A check that cannot run here, with the reason."""


class OtherVersion(Skipped):
    """What it needs is there, but a distribution has one version of it only."""


def check_sizes(tree):
    problems = []
    for path in tree.files:
        if not path.endswith(('.c', '.h', '.py', '.sh', '.js', '.mjs', '.go')) and path != 'run':
            continue
        text = tree.text(path)
        lines = text.count('\n')
        if lines > FILE_LINES_MAX:
            problems.append(f'{path}: {lines} lines, more than {FILE_LINES_MAX}')
        for name, line, length in functions_of(path, text):
            if length > FUNCTION_LINES_MAX:
                problems.append(f'{path}:{line}: {name}() has {length} lines, '
                                f'more than {FUNCTION_LINES_MAX}')
    return problems


def functions_of(path, text):
    if path.endswith(('.c', '.h')):
        return c_functions(text)
    if path.endswith('.py'):
        return [(n.name, n.lineno, n.end_lineno - n.lineno + 1) for n in ast.walk(ast.parse(text))
                if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))]
    return []


def check_openings(tree):
    """name, Owns, Calls, Limit: in every header, and in a .c that has none (a program's main)."""
    problems = []
    for path in tree.c_files(*SOURCE_FOLDERS):
        if path.endswith('.c') and tree.has(path[:-1] + 'h'):
            continue
        text = tree.text(path)
        name = path.rsplit('/', 1)[-1]
        if path.endswith('.c') and not re.search(r'\bint main\(', text):
            continue
        comment = re.match(r'/\*(.*?)\*/\n', text, flags=re.S)
        words = re.findall(r'^(?:/\*| \*) (\S+?)(?: -|:)', comment.group(0), flags=re.M) if comment else []
        if [w for w in words if w in (name, 'Owns', 'Calls', 'Limit')] != [name, 'Owns', 'Calls', 'Limit']:
            problems.append(f'{path}: does not open with "{name} - ...", Owns, Calls, Limit')
        elif path.endswith('.h') and not text[comment.end():].startswith('#pragma once'):
            problems.append(f'{path}: no #pragma once after the opening')
    return problems


def check_clang_format(tree):
    program = shutil.which('clang-format')
    version = subprocess.run([program, '--version'], capture_output=True, text=True,
                             check=True).stdout if program else ''
    if not program:
        raise Skipped('no clang-format here')
    if f'version {CLANG_FORMAT_VERSION}.' not in version:
        raise OtherVersion(f'needs clang-format {CLANG_FORMAT_VERSION}')
    files = tree.c_files()
    if not files:
        return []
    answer = subprocess.run([program, '--dry-run', '-Werror', '--style=file'] + files,
                            cwd=tree.root, capture_output=True, text=True, check=False)
    return sorted({line.split(':')[0] + ': not as clang-format lays it out'
                   for line in answer.stderr.split('\n') if 'code should be clang-formatted' in line})


def check_shellcheck(tree):
    program = shutil.which('shellcheck')
    if not program:
        raise Skipped('needs shellcheck')
    files = tree.shell_files()
    answer = subprocess.run([program, '-f', 'gcc'] + files, cwd=tree.root, capture_output=True,
                            text=True, check=False)
    return answer.stdout.splitlines()


def check_switches(tree):
    """No `default:` over our own enums, so that a new member is a compiler's warning."""
    ours = set()
    for path in tree.c_files(*SOURCE_FOLDERS):
        ours |= c_enumerators(tree.text(path))
    return [f'{path}:{line}: default: in a switch over our own enum ({labels[0]} ...)'
            for path in tree.c_files(*SOURCE_FOLDERS)
            for line, labels, has_default in c_switches(tree.text(path))
            if has_default and any(label in ours for label in labels)]


# Written apart, so that this file does not contain what it looks for.
LITERALS = [
    (re.compile(r'\b(AKIA|ASIA)[A-Z0-9]{16}\b'), 'an access key id', False),
    (re.compile(r'(?<![\w.$}/-])/(wor' + r'k|ro' + r'ot)/'), 'a path of one machine', True),
    (re.compile(r'(?<![\w.$}/-])/home/(?!USER|NAME|you|user\b|somebody\b|alice\b|\$|\*|<|\{)\w+'), 'a path of one machine', True),
    (re.compile(r'BEGIN (RSA |EC )?PRIVATE' + r' KEY'), 'a private key', True),
]


def check_literals(tree):
    problems = []
    for path in tree.files:
        for pattern, what, in_tests_too in LITERALS:
            if path.startswith('tests/') and not in_tests_too:
                continue
            for i, line in enumerate(tree.text(path).split('\n'), 1):
                # AWS's own documentation uses keys that end so
                if pattern.search(re.sub(r'\w+EXAMPLE\w*', '', line)):
                    problems.append(f'{path}:{i}: {what}')
    return problems


UNFINISHED = re.compile(r'\b(TO' + r'DO|FIX' + r'ME|XX' + r'X)\b')


def check_unfinished(tree):
    return [f'{path}:{i}: {UNFINISHED.search(line).group(0)}' for path in tree.files
            for i, line in enumerate(tree.text(path).split('\n'), 1) if UNFINISHED.search(line)]


def check_reveal(tree):
    return [f'{path}: calls secret_reveal() but is not on the list in tests/lint/checks.py'
            for path in tree.c_files(*SOURCE_FOLDERS)
            if re.search(r'\bsecret_reveal\s*\(', c_blank(tree.text(path))) and path not in MAY_REVEAL]


def expand(word):
    """`common/buf.[ch]` names two files."""
    match = re.fullmatch(r'(.*)\.\[ch\]', word)
    return [match.group(1) + '.c', match.group(1) + '.h'] if match else [word]


def check_architecture(tree):
    """docs/architecture.md names every source file once, in backticks, and no other."""
    path = 'docs/architecture.md'
    if not tree.has(path):
        return [f'{path}: does not exist']
    named = [file for word in re.findall(r'`((?:common|daemon|client)/[^`\s]+\.(?:c|h|\[ch\]|varlink))`',
                                         tree.text(path)) for file in expand(word)]
    sources = [f for f in tree.files if f.split('/')[0] in SOURCE_FOLDERS and
               f.endswith(('.c', '.h', '.varlink'))]
    problems = [f'{path}: does not mention {f}' for f in sources if f not in named]
    problems += [f'{path}: mentions {f}, which does not exist' for f in dict.fromkeys(named)
                 if f not in sources]
    problems += [f'{path}: mentions {f} {named.count(f)} times' for f in dict.fromkeys(named)
                 if named.count(f) > 1]
    return problems


def options_of(text):
    return set(re.findall(r'(?<![\w-])--[a-z][a-z0-9-]+', text))


def helps_of(program):
    """What `PROGRAM --help` prints, and `PROGRAM COMMAND --help` for each command that it lists. The commands, the
    texts, and what is wrong with them."""
    problems = []

    def ask(*words):
        done = subprocess.run([program, *words, '--help'], capture_output=True, text=True, check=False, timeout=10)
        if done.returncode != 0 or not done.stdout:
            problems.append(f'{" ".join([program, *words])} --help: exit {done.returncode}')
        return done.stdout

    text = ask()
    commands = re.findall(r'^    ([a-z]+(?: [a-z]+)?)  +\S', text, flags=re.M)
    text += ''.join(ask(*command.split()) for command in commands)
    return commands, text, problems


def check_man(tree, programs=()):
    """Every command and option that `PROGRAM --help` prints is in docs/man/PROGRAM.*.scd."""
    problems = []
    if not programs:
        raise Skipped('no programs given')
    for program in programs:
        name = program.rsplit('/', 1)[-1]
        pages = [f for f in tree.files if re.fullmatch(rf'docs/man/{name}\.\d\.scd', f)]
        if not pages:
            problems.append(f'docs/man: no page for {name}')
            continue
        commands, text, wrong = helps_of(program)
        problems += wrong
        if pages[0].endswith('.1.scd') and not commands:
            problems.append(f'{name} --help: lists no command')
        # scdoc wants a backslash before some signs, and stars around what is bold
        page = tree.text(pages[0]).replace('\\', '').replace('*', '')
        problems += [f'{pages[0]}: does not mention {word}, which {name} --help prints'
                     for word in commands + sorted(options_of(text) - options_of(page))
                     if not re.search(rf'(?<![\w-]){word}(?![\w-])', page)]
    return problems
