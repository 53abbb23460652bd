"""Who may include whom: the picture of docs/architecture.md as one table."""
import fnmatch
import re

from tree import c_includes

# Lowest first. A file includes only what stands in its own row or in rows above it here, and within
# a row never in a circle. Every file of these folders must stand in the table.
LAYERS = [
    ('ground', 'common', 'macros events journal log secret buf encode clock fs process sandbox sandbox_calls texts wiping*'),
    ('common', 'common', 'wire aead boot_id creds sigv4 sockdiag aws_* signer_proto fetch_proto varlink varlink_text event_json ini'),
    ('shared', 'daemon/shared', '*'),
    ('reach-out', 'daemon/front', 'audit config confine peer peers recent reload failure attempts aws_clock aws_gate aws_api fetcher file_watch hooks signer_client '
                                  'lock wiping_free'),
    ('reach-out', 'daemon/fetch', 'https aws_answer signin_answer'),
    ('domain', 'daemon/front', 'lease no_creds session session_direct session_next tokens persist persist_blob profiles role role_* roles'),
    ('domain', 'daemon/signer', 'vault vault_* kdf policy code_memory sign wrap'),
    ('faces', 'daemon/front', 'http_* endpoint* control*'),
    ('faces', 'daemon/signer', 'vault_api vault_answers sign_api credential'),
    ('client', 'client', 'args aws_files browser call child client_token doctor doctor_* duration endpoint_check environment environment_d errors import journal_record layout lend '
                         'link log_journal mfad_conf output passphrase_command port profile_list prompt runtime_dir tell units unseal'),
    ('main', 'daemon/front', 'main manager'),
    ('main', 'daemon/signer', 'main'),
    ('main', 'daemon/fetch', 'main'),
    ('main', 'client', 'main commands cmd_*'),
]
RANK = {name: rank for rank, name in enumerate(dict.fromkeys(row[0] for row in LAYERS))}
# Each program sees itself and these.
MAY_SEE = {
    'common': {'common'},
    'daemon/shared': {'common', 'daemon/shared'},
    'daemon/front': {'common', 'daemon/shared', 'daemon/front'},
    'daemon/signer': {'common', 'daemon/shared', 'daemon/signer'},
    'daemon/fetch': {'common', 'daemon/fetch'},
    'client': {'common', 'client'},
}
# Libraries whose absence is a promise of design and security documents.
FORBIDDEN_LIBRARIES = {
    'common': r'systemd/sd-(event|bus)\.h|curl/|microhttpd\.h|expat\.h|openssl/(ssl|tls)',
    'daemon/shared': r'curl/|microhttpd\.h|expat\.h|openssl/',
    'daemon/front': r'curl/|expat\.h|openssl/(ssl|tls)',
    'daemon/signer': r'curl/|microhttpd\.h|expat\.h|openssl/(ssl|tls)|netinet/|arpa/|netdb\.h',
    'daemon/fetch': r'microhttpd\.h|systemd/sd-event\.h',
    'client': r'curl/|microhttpd\.h|expat\.h|systemd/sd-event\.h|openssl/(ssl|tls)',
}


def module_of(path):
    """('daemon/front', 'session') for daemon/front/session.c."""
    folder, _, name = path.rpartition('/')
    return folder, name.rsplit('.', 1)[0]


def layer_of(path):
    folder, name = module_of(path)
    exact = [(layer, word) for layer, where, words in LAYERS if where == folder
             for word in words.split() if fnmatch.fnmatchcase(name, word)]
    # the more exact word wins: vault_api is a face, vault_* domain
    exact.sort(key=lambda pair: ('*' in pair[1], -len(pair[1])))
    return exact[0][0] if exact else None


def check_layers(tree):
    problems = []
    edges = {}
    for path in tree.c_files('common', 'daemon', 'client'):
        folder, _ = module_of(path)
        if path.count('/') == 1 and folder == 'daemon':
            problems.append(f'{path}: belongs into a folder of daemon/')
            continue
        layer = layer_of(path)
        if layer is None:
            problems.append(f'{path}: not in the table of layers (tests/lint/layers.py)')
            continue
        for is_own, name in c_includes(tree.text(path)):
            if not is_own:
                if re.match(FORBIDDEN_LIBRARIES[folder], name):
                    problems.append(f'{path}: <{name}> has no place in {folder}')
                continue
            problems += judge(tree, path, layer, name)
            edges.setdefault(module_of(path), set()).add(module_of(name))
    return problems + [f'circle of includes: {c}' for c in circles(edges)]


def check_layers_table(tree):
    """The table names nothing that is not there."""
    modules = [module_of(f) for f in tree.c_files('common', 'daemon', 'client')]
    return [f'tests/lint/layers.py: no file {where}/{word}.[ch]' for _, where, words in LAYERS
            for word in words.split()
            if not any(folder == where and fnmatch.fnmatchcase(name, word) for folder, name in modules)]


def judge(tree, path, layer, name):
    """What is wrong with the file @path, which stands in @layer, including @name."""
    folder, _ = module_of(path)
    target, _ = module_of(name)
    if not tree.has(name):
        return [f'{path}: includes "{name}", which does not exist from the top folder']
    if target not in MAY_SEE[folder]:
        return [f'{path}: {folder} must not see {name}']
    below = layer_of(name)
    if below is not None and RANK[below] > RANK[layer]:
        return [f'{path} ({layer}) includes upward: {name} ({below})']
    return []


def circles(edges):
    """Each circle of modules once, as 'a -> b -> a'."""
    found = []
    done = set()

    def visit(module, trail):
        if module in trail:
            circle = trail[trail.index(module):] + [module]
            found.append(' -> '.join('/'.join(m) for m in circle))
            return
        if module in done:
            return
        for target in sorted(edges.get(module, ())):
            if target != module:
                visit(target, trail + [module])
        done.add(module)

    for module in sorted(edges):
        visit(module, [])
    return found
