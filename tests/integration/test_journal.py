"""What reaches a real journal: fields, message ids, the catalogue; and how `mfactl log` reads it."""
import json
import os
import re
import shutil
import subprocess
import sys
import time

import pytest
from mfadtest import client
from mfadtest.manager import inside
from mfadtest.processes import wait_until
from test_log import Follower, journal_entry, lines, records, with_journalctl

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LENT, REFUSED = '0c03b427163f4bd2b174c1a952f796dc', 'ca14d9ab4cd44a6f852c2360e6e248ab'
UNLOCKED, LOCKED = '22a1e0b048da4040a39c4b1fc47c6465', '535dfd34ae2549dfb79553d2f1c80bb2'


def entries(stack, *matches):
    done = stack.run('journalctl', '--user', '--no-pager', '-o', 'json', *matches)
    return [json.loads(line) for line in done.stdout.splitlines()]


def soon(stack, *matches):
    return wait_until(lambda: entries(stack, *matches), sec=20, what=f'an entry {matches}')


@pytest.mark.root
@pytest.mark.sanitizers_no
@inside
def test_fields(stack):
    stack.start()
    stack.unlocked()
    creds = stack.credentials()
    entry = soon(stack, f'MESSAGE_ID={LENT}')[-1]
    expected = {'MFAD_EVENT': 'lent', 'MFAD_PROFILE': 'default', 'MFAD_RESULT': 'ok', 'MFAD_TOKEN': 'default',
                'MFAD_KEY_ID_SUFFIX': creds['AccessKeyId'][-4:], 'PEER_UID': str(os.getuid()),
                'PEER_PID': str(os.getpid()), 'PEER_EXE': os.path.realpath(sys.executable),
                'PRIORITY': '6', 'SYSLOG_IDENTIFIER': 'mfad', '_SYSTEMD_USER_UNIT': 'mfad.service'}
    assert {k: entry.get(k) for k in expected} == expected
    assert 'PEER_COMM' in entry

    assert stack.get_profile('nobody').status == 400
    entry = soon(stack, f'MESSAGE_ID={REFUSED}', 'MFAD_PROFILE=nobody')[-1]
    assert entry['MFAD_RESULT'] == 'MfadUnknownProfile'
    assert 'MFAD_KEY_ID_SUFFIX' not in entry

    entry = soon(stack, f'MESSAGE_ID={UNLOCKED}')[-1]
    assert entry['PRIORITY'] == '5'
    assert entry['MFAD_PROFILE'] == 'default'
    # the other program, and what it said before anybody asked
    assert soon(stack, 'MFAD_EVENT=vault', '_SYSTEMD_USER_UNIT=mfad-signer.service')


@pytest.mark.root
@pytest.mark.sanitizers_no
@inside
def test_unit_of_a_client(stack):
    """A client that is a unit of the user's manager is named by that."""
    stack.start()
    stack.unlocked()
    stack.write('ask.py', 'import http.client\n'
                f'c = http.client.HTTPConnection("127.0.0.1", {stack.port})\n'
                f'c.request("GET", "/", headers={{"Authorization": "{stack.token}"}})\n'
                'assert c.getresponse().status == 200\n')
    stack.run('systemd-run', '--user', '--wait', '--quiet', '--unit=asker', '/usr/bin/python3', f'{stack.home}/ask.py')
    entry = soon(stack, f'MESSAGE_ID={LENT}', 'PEER_UNIT=asker.service')[-1]
    assert entry['PEER_EXE'].startswith('/usr/bin/python3')
    assert 'asker.service' in stack.mfactl('log', '--json').out


@pytest.mark.root
@pytest.mark.sanitizers_no
@inside
def test_after_a_lock_the_fields_go_on(stack):
    """The new process image knows the journal, too."""
    stack.start()
    stack.unlocked()
    assert stack.mfactl('lock').code == client.OK
    assert soon(stack, f'MESSAGE_ID={LOCKED}')
    stack.get()
    entry = soon(stack, f'MESSAGE_ID={REFUSED}', 'MFAD_RESULT=MfadLocked')[-1]
    assert entry['PEER_PID'] == str(os.getpid())


def shown(stack, **wanted):
    """What `mfactl log --json` prints, once a record of it is as @wanted: journald takes its time."""
    def look():
        found = lines(stack)
        return [r for r in found if {k: r[k] for k in wanted} == wanted] and found
    return wait_until(look, sec=20, what=f'a record with {wanted}')


def without_time(record):
    return {k: v for k, v in record.items() if k not in ('number', 'at', 'at_usec')}


@pytest.mark.root
@pytest.mark.sanitizers_no
@inside
def test_log_outlives_a_lock_and_mfad(stack):
    """All that was before is still there: after a lock, after a crash, and while nothing runs."""
    stack.start()
    stack.unlocked()
    stack.credentials()
    before = shown(stack, event='lent')
    assert [r for r in before if r['event'] == 'vault'], 'nothing of mfad-signer'
    numbers = [r['number'] for r in before]
    assert numbers == sorted(set(numbers))

    assert stack.mfactl('lock').code == client.OK
    assert [r['event'] for r in records(stack)][:2] == ['locked', 'started'], 'this is no new image'
    locked = shown(stack, event='locked')
    assert locked[:len(before)] == before

    pid = stack.pid()
    stack.systemctl('kill', '-s', 'KILL', '--kill-whom=main', 'mfad.service')
    stack.another(pid)
    stack.get_profile('nobody')
    crashed = shown(stack, profile='nobody')
    assert crashed[:len(locked)] == locked

    stack.systemctl('stop', 'mfad.socket', 'mfad-signer.socket', 'mfad.service', 'mfad-signer.service')
    assert stack.mfactl('status').code == client.NOT_RUNNING
    assert lines(stack)[:len(crashed)] == crashed
    done = stack.mfactl('log')
    assert done.code == client.OK and 'unlocking -> unlocked' in done.out


@pytest.mark.root
@pytest.mark.sanitizers_no
@inside
def test_both_sources_give_the_same_records(stack):
    """Field by field, for whoever reads the JSON; and for whoever reads the text."""
    stack.start()
    stack.unlocked()
    stack.credentials()
    stack.get(token='x' * 43)
    stack.mfactl('creds')  # hides its executable
    for _ in range(12):
        stack.get_profile('büro')
    stack.get_profile('last')
    known = shown(stack, profile='last')
    memory = records(stack)
    assert [without_time(r) for r in known if r['event'] != 'vault'] == [without_time(r) for r in memory]
    times = {json.dumps(without_time(r), sort_keys=True): r['at_usec'] for r in memory}
    assert all(abs(times[json.dumps(without_time(r), sort_keys=True)] - r['at_usec']) < 2e6
               for r in known if r['event'] != 'vault')

    def text(**more):
        found = [line.split(' ', 1)[1] for line in stack.mfactl('log', **more).out.splitlines()]
        return [line for line in found if 'vault' not in line]

    os.mkdir(f'{stack.home}/none')
    assert text() == text(environment={'PATH': f'{stack.home}/none'}) and len(text()) > 15


@pytest.mark.root
@pytest.mark.sanitizers_no
@inside
def test_follow_in_the_journal(stack):
    """Goes on across a lock and a stop, shows each record once, and leaves nothing behind."""
    def readers():
        return stack.run('pgrep', '-x', 'journalctl', is_checked=False).stdout.split()

    stack.start()
    stack.unlocked()
    stack.credentials()
    shown(stack, event='lent')
    for end in ('SIGINT', 'SIGKILL'):
        follower = Follower(stack)
        seen = follower.seen
        wait_until(lambda: [r for r in seen if r['event'] == 'lent'], what='what was')
        stack.get_profile(f'a-{end[-1]}')
        wait_until(lambda: [r for r in seen if r['profile'] == f'a-{end[-1]}'], what='what is new')
        assert stack.mfactl('lock').code == client.OK
        stack.get_profile(f'b-{end[-1]}')
        wait_until(lambda: [r for r in seen if r['profile'] == f'b-{end[-1]}'], what='what comes after a lock')
        stack.systemctl('restart', 'mfad.service')
        stack.get_profile(f'c-{end[-1]}')
        wait_until(lambda: [r for r in seen if r['profile'] == f'c-{end[-1]}'], what='what comes after a restart')
        numbers = [r['number'] for r in seen]
        assert numbers == sorted(set(numbers)), 'each once, in their order'
        assert 'locked' in [r['event'] for r in seen]
        assert len(readers()) == 1
        if end == 'SIGKILL':
            follower.process.kill()
        follower.end()
        wait_until(lambda: not readers(), what='the end of journalctl')

    piped = subprocess.Popen(['sh', '-c', f'{stack.build.mfactl} log -f | head -n 1'], env=stack.environment,
                             stdout=subprocess.PIPE)
    assert piped.stdout.readline()
    wait_until(readers, what='journalctl')
    stack.get_profile('never-seen')  # nobody reads
    assert piped.wait(20) == 0
    piped.stdout.close()
    wait_until(lambda: not readers(), what='the end of journalctl')

    follower = Follower(stack)
    wait_until(lambda: [r for r in follower.seen if r['profile'] == 'never-seen'] and readers(), what='journalctl')
    stack.run('pkill', '-x', 'journalctl')
    follower.process.wait(20)
    assert follower.process.returncode == client.FAILURE
    assert 'journalctl ended' in follower.process.stderr.read()
    follower.end()


@pytest.mark.root
@pytest.mark.sanitizers_no
def test_a_journal_that_cannot_be_read(manager):
    """Then mfad's memory tells."""
    @inside
    def story(stack):
        stack.start()
        stack.unlocked()
        assert stack.mfactl('lock').code == client.OK
        with stack.control() as c:
            assert c.call('GetLog')['in_journal'] is True
        first = lines(stack)[0]
        assert (first['event'], first['message']) == ('locked', 'locked; what was before is in the journal')

    manager.call(hide_the_journal, as_root=True)
    story(manager)


@pytest.mark.root
@pytest.mark.sanitizers_no
@inside
def test_a_journal_of_another_time(stack):
    """One that has records, but not the last ones that mfad knows, is not all that there is."""
    stack.start()
    stack.unlocked()
    began = time.time()
    time.sleep(6)  # more than journald may be late
    stack.credentials()
    for then in (1, began - 3600, began):
        old = journal_entry(__REALTIME_TIMESTAMP=str(int(then * 1000000)))
        environment = with_journalctl(stack, f"echo '{old}'\n")
        # at first it may be that journald is late
        done = wait_until(lambda: (lambda done: 'an entry' not in done.out and done)(
            stack.mfactl('log', environment=environment)), sec=20, what='what mfad has in memory')
        assert done.code == client.OK and 'unlocking -> unlocked' in done.out, then


def hide_the_journal():
    os.chmod('/var/log/journal', 0o700)


@pytest.mark.root
@pytest.mark.sanitizers_no
@inside
def test_a_level_that_leaves_records_out(stack):
    """Then the journal is not what `mfactl log` asks."""
    stack.drop_in('mfad.service', '[Service]\nEnvironment=MFAD_LOG_LEVEL=notice\n')
    stack.start()
    stack.unlocked()
    assert soon(stack, f'MESSAGE_ID={UNLOCKED}')
    stack.credentials()
    with stack.control() as c:
        assert c.call('GetLog')['in_journal'] is False
    assert [r for r in lines(stack) if r['event'] == 'lent']


def fields_of_catalogue():
    """{message id: the fields that its text names}"""
    with open(f'{SOURCE}/systemd/mfad.catalog', encoding='utf-8') as f:
        parts = re.split(r'^-- ([0-9a-f]{32})$', f.read(), flags=re.MULTILINE)
    return {message_id: set(re.findall('@([A-Z_]+)@', text)) for message_id, text in zip(parts[1::2], parts[2::2])}


@pytest.mark.root
@pytest.mark.sanitizers_no
def test_catalogue_names_what_every_entry_has(manager):
    """journalctl -x would show the bare names of the fields that an entry lacks."""
    fields = fields_of_catalogue()

    @inside
    def story(stack):
        stack.write_profiles({name: {'role_arn': f'arn:aws:iam::123456789012:role/{name}', 'source_profile': 'default'}
                              for name in ('role', 'nobody')})
        stack.start()
        stack.open_vault()
        stack.simulator.fault('wrong_code', 'GetSessionToken')
        stack.unlock_error(stack.simulator.fresh_code())
        stack.simulator.options(totp_drift=20)  # nobody waits for the next code
        stack.unlock(stack.simulator.fresh_code())
        for name in ('default', 'role'):
            assert stack.get_profile(name).status == 200
        stack.simulator.fault('access_denied', 'AssumeRole')
        assert stack.get_profile('nobody').status != 200
        stack.get(token='x' * 43)  # nobody knows for which profile
        assert stack.mfactl('creds').code == client.OK  # nobody knows its executable
        for _ in range(15):
            stack.get_profile('unknown')
        assert stack.mfactl('lock').code == client.OK
        assert soon(stack, f'MESSAGE_ID={LOCKED}')
        found = [e for e in entries(stack) if e.get('MESSAGE_ID') in fields and 'MFAD_EVENT' in e]
        lacking = [(e['MFAD_EVENT'], name) for e in found for name in fields[e['MESSAGE_ID']] if name not in e]
        assert lacking == []
        kinds = {e['MFAD_EVENT'] for e in found}
        assert {'lent', 'refused', 'suppressed', 'session', 'unlocked', 'unlock_failed', 'role_bought', 'role_failed',
                'vault', 'started', 'locked'} <= kinds
        assert [e for e in found if e['MFAD_EVENT'] == 'lent' and 'PEER_EXE' not in e]
        assert [e for e in found if e['MFAD_EVENT'] == 'refused' and 'MFAD_PROFILE' not in e]

    story(manager)


def test_catalogue_is_legal(tmp_path):
    """As systemd reads it: every entry is taken over, with its subject."""
    if not shutil.which('journalctl'):
        pytest.skip('no journalctl here')
    folder = tmp_path / 'usr/lib/systemd/catalog'
    folder.mkdir(parents=True)
    (tmp_path / 'var/lib/systemd/catalog').mkdir(parents=True)
    shutil.copy(f'{SOURCE}/systemd/mfad.catalog', folder)
    update = subprocess.run(['journalctl', f'--root={tmp_path}', '--update-catalog'], capture_output=True, text=True,
                            check=False)
    assert update.returncode == 0, update.stderr
    listed = subprocess.run(['journalctl', f'--root={tmp_path}', '--list-catalog'], capture_output=True, text=True,
                            check=True).stdout
    with open(f'{SOURCE}/common/events.c', encoding='utf-8') as f:
        ids = set(re.findall(r'"([0-9a-f]{32})"', f.read()))
    assert len(ids) > 10
    assert {line.split(' ', 1)[0] for line in listed.splitlines() if ' mfad: ' in line} == ids
