"""Where secrets are, and that they are gone: every process of the stack, read as root."""
import contextlib
import os
import socket
import stat
import threading
import time

import pytest
from mfadtest import client, web
from mfadtest.memory import Scan
from mfadtest.moved_clock import children
from mfadtest.processes import wait_until
from mfadtest.seccomp import deny_memfd_secret

pytestmark = [pytest.mark.root, pytest.mark.sanitizers_no]


@pytest.fixture
def readable(make_stack):
    """Both programs on the fallback arena, which root can read; else a scan proves nothing."""
    stack = make_stack()
    stack.front = stack.program(stack.build.front, deny_memfd_secret)
    stack.signer = stack.program(stack.build.signer, deny_memfd_secret)
    stack.start()
    assert stack.status()['memory'] in ('locked', 'plain')
    assert stack.vault_status()['memory'] in ('locked', 'plain')
    return stack


def long_term(stack):
    return {'long-term secret': stack.simulator.key()['secret']}


def session(stack):
    creds = stack.credentials()
    return {'session secret': creds['SecretAccessKey'], 'session token': creds['Token']}


def scan(program, secrets):
    result = Scan(program.pid, secrets)
    assert result.unreadable == [], f'{program.name}: {result.unreadable}'
    return result.found


def test_long_term_secret_is_in_the_signer_only(readable):
    secrets = {**long_term(readable), 'passphrase': readable.passphrase}
    readable.unlocked()
    found = scan(readable.signer, secrets)
    assert found.get('long-term secret', 0) > 0, 'the scanner finds nothing, so it proves nothing'
    assert 'passphrase' not in found
    assert scan(readable.front, secrets) == {}


def test_long_term_secret_is_never_in_front_or_fetch_while_it_works(readable):
    secrets = {**long_term(readable), 'passphrase': readable.passphrase}
    readable.simulator.fault('delay', 'GetSessionToken', sec=3)
    seen, fetches, ended = [], set(), threading.Event()

    def watch():
        while not ended.is_set():
            for pid in [readable.front.pid] + fetch_processes(readable):
                # a process may end, or replace its image, while it is read
                with contextlib.suppress(OSError):
                    seen.append((pid, Scan(pid, secrets).found))
                    if pid != readable.front.pid:
                        fetches.add(pid)

    thread = threading.Thread(target=watch)
    thread.start()
    done = readable.mfactl('unlock', '--code-stdin', stdin=readable.simulator.fresh_code() + '\n',
                           passphrase=readable.passphrase)
    ended.set()
    thread.join()
    assert done.code == client.OK, done
    # three seconds allow for at least one look at each, even beside another build's tests
    assert len(seen) > 2 and fetches, 'too few looks to prove anything'
    assert [f for _, f in seen if f] == []


def fetch_processes(stack):
    """Those that this mfad has started; other tests beside have theirs."""
    found = []
    for pid in children(stack.front.pid):
        with contextlib.suppress(OSError):
            if os.readlink(f'/proc/{pid}/exe') == stack.build.fetch:
                found.append(int(pid))
    return found


def test_after_lock_the_front_holds_no_credentials(readable):
    readable.unlocked()
    for _ in range(50):
        readable.get()
    assert readable.mfactl('creds').code == client.OK
    secrets = session(readable)
    before = scan(readable.front, secrets)
    assert set(before) == set(secrets), f'positive control: {before}'
    assert readable.mfactl('lock').code == client.OK
    assert scan(readable.front, secrets) == {}
    assert scan(readable.signer, secrets) == {}


def test_after_lock_seal_nobody_holds_anything(readable):
    readable.unlocked()
    secrets = {**long_term(readable), **session(readable), 'passphrase': readable.passphrase,
               'client token': readable.token}
    assert readable.mfactl('lock', '--seal').code == client.OK
    for program in readable.programs():
        assert scan(program, secrets) == {}, program.name


def test_the_code_is_forgotten_when_it_was_used(readable):
    """Six digits turn up by chance, so the code is looked for in the spellings that requests have."""
    readable.unlocked()
    code = readable.posts()[0]['code']
    spellings = {'in the request': f'TokenCode={code}', 'in the call': f'"code":"{code}"',
                 'in the call, spaced': f'"code": "{code}"'}
    for program in readable.programs():
        assert scan(program, spellings) == {}, program.name


@pytest.mark.parametrize('fault', ['wrong_code', 'hang', 'close', 'garbage', 'truncated'])
def test_failed_unlocks_leave_nothing_in_the_front(readable, fault):
    readable.open_vault()
    readable.simulator.fault(fault, 'GetSessionToken', sec=1)
    readable.unlock_error()
    secrets = {**long_term(readable), 'passphrase': readable.passphrase}
    assert scan(readable.front, secrets) == {}
    assert 'passphrase' not in scan(readable.signer, secrets)


def test_wrong_passphrase_leaves_nothing(readable):
    wrong = 'Qm7xWp2LkZr9TfVbNc4Hs'  # no piece of it stands in any message
    readable.mfactl('unlock', '--code-stdin', stdin='123456\n', passphrase=wrong)
    for program in readable.programs():
        assert scan(program, {'wrong passphrase': wrong, **long_term(readable)}) == {}


def test_client_token_does_not_linger_in_the_front(readable):
    """Nor when a connection ends with its request, or in the midst of it: nothing then reuses its memory."""
    readable.unlocked()
    closing = web.request_bytes('/', readable.port, readable.token, close=True)
    for _ in range(5):
        assert readable.get().status == 200
        assert web.exchange(readable.port, closing).status == 200
        with socket.create_connection(('127.0.0.1', readable.port), timeout=5) as s:
            s.sendall(closing[:-2])
            time.sleep(0.05)
    secrets = {'client token': readable.token}
    wait_until(lambda: scan(readable.front, secrets) == {}, sec=7, what='the token to be wiped')


def test_secretmem_is_used_where_the_kernel_has_it(unlocked):
    kinds = {unlocked.status()['memory'], unlocked.vault_status()['memory']}
    if kinds != {'secretmem'}:
        pytest.skip(f'this kernel gives {kinds}')
    for program in unlocked.programs():
        result = Scan(program.pid, long_term(unlocked))
        assert any('secretmem' in name for name in result.unreadable)
        assert result.found == {}


def test_secrets_are_not_swapped_or_dumped(unlocked):
    for program in unlocked.programs():
        with open(f'/proc/{program.pid}/limits', encoding='ascii') as f:
            limits = {line[:25].strip(): line[25:].split()[:2] for line in f}
        assert limits['Max core file size'] == ['0', '0'], program.name
        # not dumpable: what /proc shows belongs to root
        assert os.stat(f'/proc/{program.pid}/environ').st_uid == 0


def test_nothing_is_written_to_disk_in_plain(unlocked):
    key = unlocked.simulator.key()
    creds = unlocked.credentials()
    words = [key['secret'], creds['SecretAccessKey'], creds['Token'], unlocked.passphrase]
    time.sleep(0.1)
    for folder, _, files in os.walk(unlocked.folder):
        for name in files:
            path = os.path.join(folder, name)
            if stat.S_ISSOCK(os.stat(path).st_mode):
                continue
            with open(path, 'rb') as f:
                content = f.read()
            assert not [w for w in words if w.encode() in content], path
