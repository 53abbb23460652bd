"""What reaches a real journal: fields, message ids, the catalogue; and a journal that is gone."""
import json
import os
import re
import shutil
import subprocess
import sys

import pytest
from mfadtest import client, manager as managers
from mfadtest.manager import inside
from mfadtest.processes import wait_until

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LENT, REFUSED = '0c03b427163f4bd2b174c1a952f796dc', 'ca14d9ab4cd44a6f852c2360e6e248ab'
UNLOCKED, LOCKED = '22a1e0b048da4040a39c4b1fc47c6465', '535dfd34ae2549dfb79553d2f1c80bb2'


@pytest.fixture(scope='module')
def installed(build):
    folder = managers.install(build)
    yield f'{folder}/usr/local'
    shutil.rmtree(folder)


@pytest.fixture
def manager(installed, running_simulator, vault_template):
    made = managers.Manager(installed, running_simulator.config, vault_template)
    try:
        yield made.start()
    finally:
        made.stop()


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
