"""The sandboxes of the running programs; tests/unit/test-sandbox.c tries what each of them refuses."""
import os
import re
import shutil
import tempfile
import threading

import pytest
from mfadtest import client
from mfadtest.processes import wait_until
from mfadtest.seccomp import no_landlock

pytestmark = pytest.mark.sanitizers_no  # which have none

SANDBOX = re.compile(r'sandbox: (.*)$', re.MULTILINE)
LOCKS = 20  # more than the 16 layers of Landlock that a process can have


def status(pid):
    """{field: value} of /proc/PID/status, which everybody may read."""
    with open(f'/proc/{pid}/status', encoding='ascii') as f:
        return dict(line.rstrip('\n').split(':\t', 1) for line in f)


def filters(pid):
    """How many seccomp filters it is under; 0 for none, -1 where the kernel does not count them."""
    fields = status(pid)
    return int(fields.get('Seccomp_filters', -1)) if fields['Seccomp'] == '2' else 0


def named(name, parent=None):
    """The processes of this name, those of @parent if given."""
    found = []
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            fields = status(pid)
        except OSError:
            continue
        if fields['Name'] == name and parent in (None, int(fields['PPid'])):
            found.append(int(pid))
    return found


def finders(leader):
    """The mfad-peers of the mfad that leads this group of processes. Nobody's child, it has no better mark."""
    return [pid for pid in named('mfad-peers') if int(status(pid)['NSpgid'].split()[0]) == leader]


def sandbox_of(program):
    """What it said was in force when it was started last."""
    return SANDBOX.findall(program.log())[-1]


def has_landlock(stack):
    return 'landlock' in sandbox_of(stack.signer)


def test_every_program_is_filtered_and_gains_no_privileges(make_stack):
    stack = make_stack()
    stack.front = stack.program(stack.build.front, os.setpgrp)
    stack.start()
    stack.open_vault()
    stack.simulator.fault('hang', 'GetSessionToken', sec=5)
    unlock = threading.Thread(target=stack.unlock_error)
    unlock.start()
    try:
        fetches = wait_until(lambda: named('mfad-fetch', stack.front.pid), what='a fetch')
        inside = wait_until(lambda: [p for p in fetches if filters(p) in (2, -1)], what='its own filter')
        peers = finders(stack.front.pid)
        assert inside and len(peers) == 1
        for pid in (stack.front.pid, stack.signer.pid, *peers, *inside):
            fields = status(pid)
            assert (fields['Seccomp'], fields['NoNewPrivs']) == ('2', '1'), fields
        for pid in (*peers, *inside):  # which have no loop that would hear what mfad keeps for its own
            assert int(status(pid)['SigBlk'], 16) == 0, status(pid)
    finally:
        unlock.join()


def test_what_is_in_force_is_logged(stack):
    for program in stack.programs():
        assert re.fullmatch(r'(landlock \d+, )?seccomp', sandbox_of(program))


def test_locking_adds_no_layer(unlocked):
    before = [(filters(p.pid), sandbox_of(p)) for p in unlocked.programs()]
    for _ in range(LOCKS):
        assert unlocked.mfactl('lock', '--seal').code == client.OK
        unlocked.signer.read_notify()  # or its queue is full
    assert [(filters(p.pid), sandbox_of(p)) for p in unlocked.programs()] == before
    unlocked.open_vault()


def test_a_new_mfad_fetch_and_a_replaced_program_are_executed(make_stack, build, tmp_path):
    """As an upgrade puts them there while the old ones run."""
    for path in (build.front, build.signer, build.fetch):
        shutil.copy(path, tmp_path)
    stack = make_stack()
    stack.front = stack.program(str(tmp_path / 'mfad'))
    stack.signer = stack.program(str(tmp_path / 'mfad-signer'))
    stack.start()
    for name in ('mfad', 'mfad-signer', 'mfad-fetch'):
        shutil.copy(tmp_path / name, tmp_path / 'new')
        os.rename(tmp_path / 'new', tmp_path / name)
    assert stack.mfactl('lock', '--seal').code == client.OK
    stack.unlocked()
    assert stack.get().status == 200


def with_loader(program, copy, loader):
    """A copy of @program that asks the kernel for another dynamic loader, of a shorter name."""
    with open(program, 'rb') as f:
        text = f.read()
    old, = set(re.findall(rb'/[!-~]*/ld[!-~]*\.so[!-~]*\0', text))
    new = loader.encode().ljust(len(old), b'\0')
    assert len(new) == len(old), 'the name is too long'
    with open(copy, 'wb') as f:
        f.write(text.replace(old, new))
    os.chmod(copy, 0o755)
    return old.rstrip(b'\0').decode()


@pytest.fixture
def loader():
    """Its place, of a short name."""
    folder = tempfile.mkdtemp(prefix='ld-', dir='/tmp')
    yield os.path.join(folder, 'ld.so')
    shutil.rmtree(folder)


def test_a_new_c_library_stops_nobody(make_stack, build, tmp_path, loader):
    """Its upgrade replaces the loader, which the kernel executes with each program."""
    for path in (build.front, build.signer, build.fetch):
        real = with_loader(path, tmp_path / os.path.basename(path), loader)
    shutil.copy(real, loader)
    stack = make_stack()
    stack.front = stack.program(str(tmp_path / 'mfad'))
    stack.signer = stack.program(str(tmp_path / 'mfad-signer'))
    stack.simulator.options(totp_drift=20)  # nobody waits for the next code
    stack.start()
    shutil.copy(real, loader + '.new')
    os.rename(loader + '.new', loader)
    stack.unlocked()
    assert stack.get().status == 200
    assert stack.mfactl('lock').code == client.OK
    assert stack.mfactl('vault', 'seal').code == client.OK
    stack.unlocked()


def test_a_taken_over_mfad_fetch_gets_no_credentials(make_stack, build, tmp_path):
    """Nor any other socket of the user's, behind which somebody would start programs for it."""
    for path in (build.front, build.fetch):
        shutil.copy(path, tmp_path)
    stack = make_stack()
    stack.write_profiles({'dev': {'role_arn': 'arn:aws:iam::123456789012:role/dev', 'source_profile': 'default'}})
    stack.front = stack.program(str(tmp_path / 'mfad'))
    stack.start().unlocked()
    (tmp_path / 'control-path').write_text(stack.socket_path('control'))
    shutil.copy(build.evil_fetch, tmp_path / 'new')
    os.rename(tmp_path / 'new', tmp_path / 'mfad-fetch')
    assert stack.get_profile('dev').status != 200
    said = wait_until(lambda: re.search(r'evil: (.*)', stack.front.log()), what='a word of it')
    assert said[1] == 'no socket: Operation not permitted'


def test_an_old_kernel_is_no_obstacle(make_stack):
    stack = make_stack()
    stack.front = stack.program(stack.build.front, no_landlock)
    stack.signer = stack.program(stack.build.signer, no_landlock)
    stack.start().unlocked()
    assert [sandbox_of(p) for p in stack.programs()] == ['seccomp', 'seccomp']
    assert stack.get().status == 200


def test_folders_that_are_missing_are_made(make_stack):
    """Those that are not there cannot be allowed, and their files would be out of reach when they come."""
    stack = make_stack(use_https=False)  # certificates that are named later are another story: see below
    shutil.rmtree(os.path.join(stack.home, '.aws'))
    stack.start()
    assert os.stat(os.path.join(stack.home, '.aws')).st_mode & 0o777 == 0o700
    stack.write('.aws/config', stack.first_config)
    stack.open_vault()
    wait_until(lambda: 'default' in stack.profiles(), what='the new file is read')
    stack.unlock()
    assert stack.get().status == 200


def test_a_link_to_a_new_place_is_said_to_need_a_restart(unlocked):
    if not has_landlock(unlocked):
        pytest.skip('this kernel refuses no files')
    unlocked.write('elsewhere/config', unlocked.first_config)
    os.symlink(os.path.join(unlocked.home, 'elsewhere/config'), os.path.join(unlocked.home, '.aws/new'))
    os.rename(os.path.join(unlocked.home, '.aws/new'), os.path.join(unlocked.home, '.aws/config'))
    notices = wait_until(lambda: unlocked.status()['notices'], what='the notice')
    assert any('.aws/config' in text and 'restart mfad' in text for text in notices), notices
    assert unlocked.get().status == 200  # as it was read before
    assert unlocked.front.terminate() is None
    unlocked.front.start()
    assert unlocked.status()['notices'] == []


def test_certificates_in_a_new_place_are_said_to_need_a_restart(open_stack):
    if not has_landlock(open_stack):
        pytest.skip('this kernel refuses no files')
    with open(open_stack.simulator.ca_file, encoding='ascii') as f:
        path = open_stack.write('certificates/ca.pem', f.read())
    text = open_stack.first_config.replace(open_stack.simulator.ca_file, path)
    open_stack.write('.aws/config', text)
    wait_until(lambda: 'again' in open_stack.front.log(), what='the new setting is read')
    code = open_stack.simulator.fresh_code()
    error = open_stack.unlock_error(code)
    assert path in str(error.parameters) and 'restart mfad' in str(error.parameters), error
    assert open_stack.front.terminate() is None
    open_stack.front.start()
    open_stack.unlock(code)  # which was not sent
    assert open_stack.get().status == 200

