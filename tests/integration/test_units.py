"""The units in a real user manager: started by the first request, kept over crashes, restarts and reloads."""
import contextlib
import os
import re
import signal
import socket
import threading
import time

import pytest
from mfadtest import client
from mfadtest.manager import HOME, PORT, RUNTIME, UNITS, inside
from mfadtest.processes import wait_until

pytestmark = [pytest.mark.root, pytest.mark.sanitizers_no]

TOKEN = f'{RUNTIME}/mfad/token'


@contextlib.contextmanager
def asking(stack, sec=30):
    """Asks all the time meanwhile, on connections of its own. Yields {'answered', 'broken', 'refused'} counts."""
    seen = {'answered': 0, 'broken': 0, 'refused': 0}
    ended = threading.Event()
    end = time.monotonic() + sec

    def ask():
        while not ended.is_set() and time.monotonic() < end:
            try:
                seen['answered' if stack.get().status else 'broken'] += 1
            except ConnectionRefusedError:
                seen['refused'] += 1
            except OSError:
                seen['broken'] += 1

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for t in threads:
        t.start()
    try:
        yield seen
    finally:
        ended.set()
        for t in threads:
            t.join()


def unlocked_again(stack):
    """After the front was replaced, without another code."""
    wait_until(lambda: stack.get().status == 200, 20, 'the session is back')


# --- started on demand --------------------------------------------------------------------------

@inside
def test_first_request_starts_the_service_and_is_answered(stack):
    stack.start()
    assert stack.show('ActiveState') == 'inactive'
    assert stack.show('ActiveState', 'mfad-signer.service') == 'inactive'
    with open(TOKEN, encoding='ascii') as f:  # an SDK reads it before it connects
        token = f.read()
    assert stack.get().code == 'MfadLocked'
    assert stack.show('ActiveState') == 'active'
    # mfad has asked it
    wait_until(lambda: stack.show('ActiveState', 'mfad-signer.service') == 'active')
    stack.unlocked()
    assert stack.get().status == 200 and stack.token == token
    with pytest.raises(OSError), socket.create_connection(('::1', PORT), timeout=5) as s:
        s.sendall(b'GET / HTTP/1.1\r\n\r\n')
        if not s.recv(1):
            raise ConnectionResetError


@inside
def test_installing_enables_nothing(stack):
    units = ('mfad.socket', 'mfad-signer.socket')
    assert [stack.show('UnitFileState', u) for u in units] == ['disabled'] * 2
    stack.systemctl('preset', *units)  # as a distribution's package does
    assert [stack.show('UnitFileState', u) for u in units] == ['disabled'] * 2
    done = stack.mfactl('status')
    assert done.code == client.NOT_RUNNING
    hint = re.search(r'run: (systemctl --user enable --now .*)', done.err).group(1)
    stack.run(*hint.split())
    assert [stack.show('UnitFileState', u) for u in units] == ['enabled'] * 2
    assert stack.mfactl('status').code == client.LOCKED


@inside
def test_stop_and_start(stack):
    stack.start().unlocked()
    token = stack.token
    for _ in range(3):
        stack.systemctl('stop', 'mfad.service')
        assert stack.is_port_open() and stack.get().status in (200, 403)
    assert stack.token == token
    # without its sockets it does not run, nor does it leave them behind
    stack.systemctl('stop', 'mfad.socket', 'mfad-signer.socket')
    assert stack.pid() == stack.pid('mfad-signer.service') == 0 and not stack.is_port_open()
    assert sorted(os.listdir(f'{RUNTIME}/mfad')).count('control') == 0
    stack.systemctl('start', 'mfad.socket', 'mfad-signer.socket')
    assert stack.get().status in (200, 403) and stack.token == token


# --- never refused ------------------------------------------------------------------------------

@inside
def test_restart_with_requests_under_way(stack):
    stack.start().unlocked()
    with asking(stack) as seen:
        for _ in range(5):
            before = stack.pid()
            stack.systemctl('restart', 'mfad.service')
            assert stack.pid() not in (0, before)
            answered = seen['answered']
            wait_until(lambda: seen['answered'] > answered + 20, 20, 'answers after the restart')
    assert seen['refused'] == 0, seen
    # at most those that were in the middle of it, three at a time
    assert seen['broken'] <= 5 * 3 and seen['answered'] > 100, seen
    unlocked_again(stack)


@inside
def test_restart_keeps_what_a_code_is_buying(stack):
    said = []
    stack.start().open_vault()
    stack.simulator.fault('delay', 'GetSessionToken', sec=1.5)
    code = stack.simulator.fresh_code() + '\n'
    thread = threading.Thread(target=lambda: said.append(stack.mfactl('unlock', '--code-stdin', stdin=code)))
    thread.start()
    wait_until(lambda: any(s['state'] == 'unlocking' for s in stack.status()['sessions']))
    before = stack.pid()
    stack.systemctl('restart', 'mfad.service')
    thread.join()
    assert said[0].code == client.OK, said
    assert stack.pid() not in (0, before) and stack.show('Result') == 'success'
    unlocked_again(stack)
    assert len(stack.posts()) == 1


@pytest.mark.parametrize('unit', ['mfad.service', 'mfad-signer.service'])
@pytest.mark.parametrize('how', [signal.SIGKILL, signal.SIGABRT])
@inside
def test_a_crash_is_not_noticed_for_long(stack, unit, how):
    stack.start().unlocked()
    before = stack.pid(unit)
    with asking(stack) as seen:
        os.kill(before, how)
        stack.another(before, unit)
        answered = seen['answered']
        wait_until(lambda: seen['answered'] > answered + 20, 20, 'answers after the crash')
    assert seen['refused'] == 0, seen
    assert stack.show('NRestarts', unit) == '1'
    if unit == 'mfad.service':
        unlocked_again(stack)
    else:
        assert stack.get().status == 200
        stack.open_vault()


@inside
def test_watchdog_replaces_a_loop_that_stands_still(stack):
    stack.start().vault_status()
    stack.get()
    for unit, usual in (('mfad.service', '30s'), ('mfad-signer.service', '1min')):
        assert stack.show('WatchdogUSec', unit) == usual
        stack.drop_in(unit, '[Service]\nWatchdogSec=1\n')
        stack.systemctl('restart', unit)
    stack.unlocked()
    for unit in ('mfad.service', 'mfad-signer.service'):
        before = stack.pid(unit)
        time.sleep(2.5)
        assert stack.pid(unit) == before and stack.show('NRestarts', unit) == '0', 'a loop that lives is left alone'
        os.kill(before, signal.SIGSTOP)
        stack.another(before, unit, sec=30)
    assert 'Watchdog timeout' in stack.journal('-u', 'mfad.service')
    assert stack.answer_soon().status in (200, 403)
    journal = stack.journal()
    assert 'code=killed, status=6/ABRT' in journal and 'code=dumped' not in journal


@inside
def test_crash_loop_does_not_close_the_port(stack):
    stack.start()
    stack.drop_in('mfad.service', '[Service]\nExecStart=\nExecStart=/bin/false\n')
    token = stack.token
    with socket.create_connection(('127.0.0.1', PORT), timeout=60) as s:
        s.sendall(b'GET / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAuthorization: %b\r\n\r\n' % (PORT, token.encode()))
        # many more than systemd's usual 5 in 10 seconds
        wait_until(lambda: int(stack.show('NRestarts')) > 8, 30, 'restarts')
        assert stack.is_port_open() and stack.show('ActiveState', 'mfad.socket') == 'active'
        stack.drop_in('mfad.service', '')
        # whoever has waited is answered
        assert s.recv(100).startswith(b'HTTP/1.1 403 ')


@inside
def test_start_with_a_broken_configuration(stack):
    stack.write('.config/mfad/mfad.conf', '[mfad]\nduration = long\n')
    stack.start()
    with socket.create_connection(('127.0.0.1', PORT), timeout=60) as s:
        s.sendall(b'GET / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAuthorization: %b\r\n\r\n' % (PORT, stack.token.encode()))
        wait_until(lambda: int(stack.show('NRestarts')) > 0, 30, 'a restart')
        assert 'mfad.conf:2: duration must be' in stack.journal('-u', 'mfad.service')
        time.sleep(2)
        assert int(stack.show('NRestarts')) < 3, 'the journal fills'
        wait_until(lambda: 'journalctl' in stack.show('StatusText'), 10, 'the word for people')
        stack.write('.config/mfad/mfad.conf', '[mfad]\nduration = 8h\n')
        assert s.recv(100).startswith(b'HTTP/1.1 403 ')


# --- reload and status --------------------------------------------------------------------------

@inside
def test_reload_with_a_good_and_a_broken_file(stack):
    stack.start().unlocked()
    pid = stack.pid()
    stack.write('.config/mfad/mfad.conf', '[mfad]\nduration = 1h\nport = 9913\n')
    stack.systemctl('reload', 'mfad.service')
    notice, = wait_until(lambda: stack.status()['notices'])
    assert '9913' in notice and '9912' in notice and 'mfad.socket' in notice
    stack.simulator.options(clock_offset=30)
    stack.unlock(stack.simulator.totp())
    assert int(stack.posts()[-1]['params']['DurationSeconds']) == 3600

    stack.write('.config/mfad/mfad.conf', '[mfad]\nduration = 2h\n\nnonsense = 1\n')
    stack.systemctl('reload', 'mfad.service')
    notice = wait_until(lambda: [n for n in stack.status()['notices'] if 'nonsense' in n or ':4:' in n])[0]
    assert notice.startswith(f'{HOME}/.config/mfad/mfad.conf:4: ') and 'keeping' in notice
    assert 'mfad.conf:4: ' in stack.journal('-u', 'mfad.service')
    stack.simulator.options(clock_offset=60)
    stack.unlock(stack.simulator.totp())
    assert int(stack.posts()[-1]['params']['DurationSeconds']) == 3600, 'the old configuration was kept'

    # another default profile, at once; other files, after a restart
    stack.write_profiles({'other': {'source_profile': 'default', 'role_arn': 'arn:aws:iam::123456789012:role/other'}})
    stack.write('aws/config', stack.read('.aws/config').replace('other', 'third'))
    stack.write('.config/mfad/mfad.conf', f'[mfad]\naws_config_file = {HOME}/aws/config\ndefault_profile = other\n')
    stack.systemctl('reload', 'mfad.service')
    notice, = wait_until(lambda: [n for n in stack.status()['notices'] if 'restart' in n], what='word of other files')
    wait_until(lambda: 'other' in stack.profiles(), what='the new profile')
    assert stack.pid() == pid and stack.show('SubState') == 'running'
    assert stack.posts('AssumeRole') == [] and stack.get_profile('default').status == 200
    assert stack.get().status == 200 and stack.posts('AssumeRole'), 'the default profile is the role now'
    stack.write('.config/mfad/mfad.conf', f'[mfad]\naws_config_file = {HOME}/aws/config\n')
    stack.run(*re.search(r'run: (systemctl --user .*)', notice).group(1).split())
    assert 'third' in stack.profiles() and stack.status()['notices'] == []


@inside
def test_status_text_is_for_people(stack):
    stack.start()
    stack.get()
    assert stack.show('StatusText') == 'locked'
    wait_until(lambda: stack.show('StatusText', 'mfad-signer.service') == 'vault sealed')
    stack.open_vault()
    assert stack.show('StatusText', 'mfad-signer.service') == 'vault open, 1 key'
    stack.unlock()
    wait_until(lambda: re.fullmatch(r'unlocked until \d\d:\d\d', stack.show('StatusText')))
    assert stack.mfactl('lock', '--seal').code == client.OK
    wait_until(lambda: stack.show('StatusText') == 'locked')
    wait_until(lambda: stack.show('StatusText', 'mfad-signer.service') == 'vault sealed')
    assert stack.show('NRestarts') == stack.show('NRestarts', 'mfad-signer.service') == '0'


@inside
def test_another_port_by_a_drop_in(stack):
    stack.drop_in('mfad.socket', '[Socket]\nListenStream=\nListenStream=127.0.0.1:9913\nListenStream=[::1]:9913\n'
                  'ListenStream=%t/mfad/control\n')
    stack.start()
    stack.port = 9913
    assert stack.get().code == 'MfadLocked'
    assert ':9913/' in stack.mfactl_env()['AWS_CONTAINER_CREDENTIALS_FULL_URI']
    assert stack.status()['notices'] == []
    # while it runs, as after `systemctl --user edit`
    stack.drop_in('mfad.socket', '')
    stack.systemctl('restart', 'mfad.socket')
    stack.port = PORT
    assert stack.get().code == 'MfadLocked'


def without_ipv6():
    with open('/proc/sys/net/ipv6/conf/all/disable_ipv6', 'w', encoding='ascii') as f:
        f.write('1')


def test_ipv6_switched_off(manager):
    manager.call(without_ipv6, as_root=True)
    inside(lambda stack: stack.start() and stack.get().code == 'MfadLocked' or pytest.fail('no answer'))(manager)


# --- the passphrase from a credential -----------------------------------------------------------

@inside
def test_credential_opens_the_vault(stack):
    path = stack.write('passphrase', stack.passphrase + '\n', 0o400)
    stack.drop_in('mfad-signer.service', f'[Service]\nLoadCredential=mfad.passphrase:{path}\n')
    stack.start()
    assert stack.vault_status()['state'] == 'open'
    stack.unlock()
    assert stack.get().status == 200
    # the user's word counts, as long as this signer lives
    assert stack.mfactl('vault', 'seal').code == client.OK
    assert stack.vault_status()['state'] == 'sealed'
    assert 'credential "mfad' in stack.journal() and 'cannot use' not in stack.journal()
    pid = stack.pid('mfad-signer.service')
    os.kill(pid, signal.SIGKILL)
    stack.another(pid, 'mfad-signer.service')
    assert stack.vault_status()['state'] == 'open'
    assert stack.passphrase not in stack.journal()


@pytest.mark.parametrize('text, said', [
    ('not the one that it is\n', 'the passphrase is wrong'),
    ('two\0lines', 'cannot use the credential'),
    ('', 'the passphrase is wrong'),
    ('x' * 3000, 'cannot use the credential'),
    (None, None),
])
@inside
def test_credential_that_does_not_help(stack, text, said):
    path = f'{HOME}/passphrase'
    if text is not None:
        stack.write('passphrase', text, 0o400)
        stack.drop_in('mfad-signer.service', f'[Service]\nLoadCredential=mfad.passphrase:{path}\n')
    else:  # another credential only
        stack.drop_in('mfad-signer.service', '[Service]\nSetCredential=other:value\n')
    stack.start()
    assert stack.vault_status()['state'] == 'sealed'
    log = stack.journal('-u', 'mfad-signer.service')
    assert said in log if said else 'credential' not in log
    stack.open_vault()


# --- the sandbox --------------------------------------------------------------------------------

@inside
def test_systemd_finds_nothing_wrong_with_the_units(stack):
    units = [f'{UNITS}/{name}' for name in sorted(os.listdir(UNITS)) if name.startswith('mfad')]
    assert len(units) >= 4
    done = stack.run('systemd-analyze', '--user', '--man=no', 'verify', *units)
    assert done.stdout + done.stderr == ''
    stack.start()
    stack.get()
    assert [line for line in stack.journal('-p', 'warning').split('\n') if 'mfad' in line] == []


@pytest.mark.parametrize('unit, exposure', [('mfad.service', 62), ('mfad-signer.service', 59)])
@inside
def test_exposure(stack, unit, exposure):
    """In tenths. What a user's unit cannot have makes up most of it."""
    done = stack.run('systemd-analyze', '--user', 'security', '--offline=true', f'--threshold={exposure}',
                     f'{UNITS}/{unit}', is_checked=False)
    assert done.returncode == 0, done.stdout[-200:]


def process_status(pid):
    with open(f'/proc/{pid}/status', encoding='ascii') as f:
        return dict(line.rstrip('\n').split(':\t', 1) for line in f if ':\t' in line)


@inside
def test_running_services_are_restricted(stack):
    stack.start().unlocked()
    for unit in ('mfad.service', 'mfad-signer.service'):
        status = process_status(stack.pid(unit))
        assert (status['NoNewPrivs'], status['Seccomp'], status['Umask']) == ('1', '2', '0077'), status
        with open(f'/proc/{stack.pid(unit)}/limits', encoding='ascii') as f:
            limits = f.read()
        assert re.search(r'^Max core file size +0 +0 ', limits, re.M)
        # systemd's own limit is the account's soft one
        locked = int(re.search(r'^Max locked memory +(\d+)', limits, re.M).group(1))
        assert locked >= 8 * 1024 * 1024


PROBE = '''
import ctypes, errno, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    """The errno, or 0."""
    ctypes.set_errno(0)
    r = libc.syscall(ctypes.c_long(number), *(ctypes.c_long(a) for a in arguments))
    return ctypes.get_errno() if r < 0 else 0
def family(number, kind=socket.SOCK_DGRAM):
    try:
        socket.socket(number, kind).close()
        return 0
    except OSError as e:
        return e.errno
def set_id_file():
    with open(os.open(f"{os.environ['XDG_RUNTIME_DIR']}/probe", os.O_CREAT | os.O_WRONLY, 0o600), "w") as f:
        try:
            os.fchmod(f.fileno(), 0o4700)
            return 0
        except OSError as e:
            return e.errno
MAP = 0x22  # private, anonymous
print({
    "user namespace": call(272, 0x10000000),  # unshare
    "mount": call(165, 0, 0, 0, 0, 0),
    "reboot": call(169, 0, 0, 0, 0),
    "module": call(175, 0, 0, 0),
    "ptrace": call(101, 0, 0, 0, 0),  # PTRACE_TRACEME
    "chroot": call(161, 0),
    "bpf": call(321, 0, 0, 0),
    "nice": call(141, 0, 0, 5),  # setpriority
    "chown": call(93, 0, -1, -1),  # fchown
    "writable code": call(9, 0, 4096, 7, MAP, -1, 0),  # mmap
    "realtime": call(144, 0, 1, 0),  # sched_setscheduler
    "32 bits": call(135, 8),  # personality
    "set-uid file": set_id_file(),
    "packet socket": family(17), "alg socket": family(38, socket.SOCK_SEQPACKET), "vsock": family(40),
    "netlink": family(16), "inet": family(2), "inet6": family(10), "unix": family(1),
    "environment": list(os.environ), "umask": os.umask(0),
    "memfd_secret": call(447, 0o2000000), "landlock": call(444, 0, 0, 1), "seccomp": call(317, 2, 0, 0),
}, file=open(sys.argv[1], "w"))
'''
NEVER = ['user namespace', 'mount', 'reboot', 'module', 'chroot', 'bpf', 'nice', 'chown', 'ptrace', 'writable code',
         'realtime', '32 bits', 'set-uid file', 'packet socket', 'alg socket', 'vsock']
UNWELCOME = ['OPENSSL_CONF', 'OPENSSL_MODULES', 'LD_AUDIT', 'LD_LIBRARY_PATH']


@pytest.mark.parametrize('unit, families', [('mfad', ['netlink', 'inet', 'inet6', 'unix']), ('mfad-signer', ['unix'])])
@inside
def test_every_restriction_holds(stack, unit, families):
    """Each is tried, from a unit that is the same but for its program."""
    with open(f'{UNITS}/{unit}.service', encoding='ascii') as f:
        text = f.read()
    stack.write('probe.py', PROBE)
    result = f'{HOME}/result'
    text = re.sub(r'(?m)^(Requires|Wants|After|ExecReload|WatchdogSec|NotifyAccess|Restart|RestartSec)=.*\n', '', text)
    text = re.sub(r'(?m)^Type=.*', 'Type=oneshot', text)
    text = re.sub(r'(?m)^ExecStart=.*', f'ExecStart=/usr/bin/python3 {HOME}/probe.py {result}', text)
    stack.write('.config/systemd/user/probe.service', text)
    stack.systemctl('daemon-reload')
    stack.systemctl('set-environment', *(f'{name}=/nowhere' for name in UNWELCOME))
    stack.systemctl('start', 'probe.service')
    found = eval(stack.read('result'), {})  # pylint: disable=eval-used
    open_doors = {name: found[name] for name in NEVER if found[name] not in (1, 97)}  # EPERM, EAFNOSUPPORT
    assert open_doors == {}
    for name in ('netlink', 'inet', 'inet6', 'unix'):
        assert (found[name] == 0) == (name in families), (name, found[name])
    # what the programs need for restricting themselves; the kernel may not have it
    for name in ('memfd_secret', 'landlock', 'seccomp'):
        assert found[name] in (0, 14, 38, 95), (name, found[name])  # EFAULT for our NULL, ENOSYS, EOPNOTSUPP
    assert found['umask'] == 0o077 and found['environment'] and not set(found['environment']) & set(UNWELCOME)


@inside
def test_stricter_drop_in(stack):
    """What is shipped for programs that their user cannot read."""
    for unit in ('mfad.service', 'mfad-signer.service'):
        with open('/usr/local/share/mfad/examples/10-private-users.conf', encoding='ascii') as f:
            stack.drop_in(unit, f.read())
    stack.start().unlocked()
    assert stack.get().status == 200
    for unit in ('mfad.service', 'mfad-signer.service'):
        assert stack.run('systemd-analyze', '--user', 'security', '--no-pager', unit).stdout.strip().split()[-2] in (
            'OK', 'SAFE')
        # in a user namespace that we own, and out of our reach all the same
        for name in ('mem', 'maps', 'environ'):
            with pytest.raises(PermissionError):
                os.close(os.open(f'/proc/{stack.pid(unit)}/{name}', os.O_RDONLY))
    assert stack.mfactl('lock', '--seal').code == client.OK
    assert stack.get().code == 'MfadLocked'
