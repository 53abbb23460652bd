"""What a user is told when the units do not do their work, and that it helps."""
import json
import os
import re
import subprocess

import pytest
from mfadtest import client
from mfadtest.manager import PORT, RUNTIME, inside

pytestmark = [pytest.mark.root, pytest.mark.sanitizers_no]

TOKEN = f'{RUNTIME}/mfad/token'


def checks(stack, *arguments):
    """{check: (level, text and fix)} of doctor, what is wrong before what is not."""
    found = json.loads(stack.mfactl('doctor', '--json', '--offline', *arguments).out)['checks']
    return {c['check']: (c['level'], f'{c["text"]} | {c.get("fix", "")}')
            for c in sorted(found, key=lambda c: c['level'] == 'problem')}


@inside
def test_next_command_without_the_signer(stack):
    stack.start()
    stack.get()  # whoever starts mfad starts that as well
    stack.systemctl('stop', 'mfad-signer.socket', 'mfad-signer.service')
    done = stack.mfactl('status')
    stack.run(*re.search(r'next +(systemctl --user enable --now [a-z. -]*\.socket)', done.out).group(1).split())
    assert stack.show('ActiveState', 'mfad-signer.socket') == 'active'
    assert 'mfactl unlock' in stack.mfactl('status').out


@inside
def test_token_that_others_could_read(stack):
    """Not even this keeps it from starting; the old one is good for nothing any more."""
    stack.start()
    old = stack.token
    for action in (['restart', 'mfad.service'], ['restart', 'mfad.socket']):
        assert stack.get().code == 'MfadLocked'
        os.chmod(TOKEN, 0o644)
        done = stack.mfactl('env')
        assert done.code == client.NOT_RUNNING and 'others may read it' in done.err, done
        assert 'systemctl --user restart mfad.service' in done.err, done
        stack.systemctl(*action)
        assert stack.get().code == 'MfadLocked' and stack.token != old
        assert os.stat(TOKEN).st_mode & 0o777 == 0o600
        old = stack.token
    assert 'counts as leaked' in stack.journal()


@inside
def test_doctor_of_a_service_that_cannot_start(stack):
    stack.write('.config/mfad/mfad.conf', '[mfad]\nduration = long\n')
    stack.start()
    found = checks(stack)
    assert found['mfad'][0] == 'problem' and 'journalctl --user -n 20 -u mfad' in found['mfad'][1], found
    assert found['mfad.service'][0] == 'problem' and 'does not start' in found['mfad.service'][1], found
    command = found['mfad.service'][1].split(' | ')[1]
    assert 'mfad.conf:2: duration must be' in stack.run(*command.split()).stdout
    done = stack.mfactl('lock')
    assert done.code == client.NOT_RUNNING and 'does not answer' in done.err and 'mfactl doctor' in done.err, done


def listen_as_another(port):
    """For as long as the manager lives, if nobody ends it. Returns its process."""
    script = (f'import os, socket, time\nos.setuid(65534)\ns = socket.create_server(("127.0.0.1", {port}))\n'
              'print(flush=True)\ntime.sleep(600)')
    other = subprocess.Popen(['/usr/bin/python3', '-c', script], stdout=subprocess.PIPE)
    assert other.stdout.readline() == b'\n'
    return other.pid


def doctor_of_a_port_that_is_taken(stack):
    stack.systemctl('enable', 'mfad.socket', 'mfad-signer.socket')
    stack.systemctl('start', 'mfad-signer.socket')
    stack.systemctl('start', 'mfad.socket', is_checked=False)
    assert stack.show('ActiveState', 'mfad.socket') == 'failed'
    for command in ('status', 'lock'):
        done = stack.mfactl(command)
        assert done.code == client.NOT_RUNNING and 'mfactl doctor' in done.err and 'enable' not in done.err, done
    found = checks(stack)
    assert found['port'][0] == 'problem' and f'{PORT} belongs to user 65534' in found['port'][1], found
    for check in ('port', 'mfad'):
        assert 'systemctl --user edit mfad.socket' in found[check][1] and 'mfad.conf(5)' in found[check][1], found
    assert found['mfad.socket'][0] == 'problem'
    # what is advised helps
    stack.drop_in('mfad.socket', '[Socket]\nListenStream=\nListenStream=127.0.0.1:9913\nListenStream=[::1]:9913\n'
                  'ListenStream=%t/mfad/control\n')
    stack.run(*re.search(r'then: (.*)', found['port'][1]).group(1).split())
    assert stack.mfactl('status').code == client.LOCKED and ':9913' in checks(stack)['port'][1]


def test_port_of_another_user(manager):
    other = manager.call(listen_as_another, PORT, as_root=True)
    inside(doctor_of_a_port_that_is_taken)(manager)
    assert other


def start_by_hand():
    """A user who has not come through PAM, and so has no /run/user/UID."""
    uid, home = 59001, '/home/somebody'
    os.mkdir(home, 0o700)
    os.chown(home, uid, uid)

    def shell(script, runtime):
        environment = {'HOME': home, 'PATH': '/usr/local/bin:/usr/bin:/bin', **runtime}
        return subprocess.run(['sh', '-c', script], user=uid, group=uid, extra_groups=[], env=environment, cwd='/',
                              capture_output=True, text=True, timeout=60, check=False)

    for runtime in ({}, {'XDG_RUNTIME_DIR': f'/run/user/{uid}'}):
        for program in ('mfad', 'mfad-signer'):
            done = shell(f'/usr/local/libexec/mfad/{program}', runtime)
            assert done.returncode == 1 and 'export XDG_RUNTIME_DIR=' in done.stderr, done
            assert not done.stderr.rstrip().endswith('No such file or directory'), done
        done = shell('mfactl doctor --offline', runtime)
        assert re.search(r'every\s+terminal:\s+export\s+XDG_RUNTIME_DIR=', done.stdout), done
        done = shell('mfactl status', runtime)
        assert done.returncode == client.NOT_RUNNING and 'XDG_RUNTIME_DIR' in done.stderr, done
        export = re.search(r'every terminal: (export .*)', done.stderr).group(1)
        # then as the next message says
        start = re.search(r'run: (.*&)', shell(f'{export}; mfactl status', runtime).stderr).group(1)
        done = shell(f'{export}; ({start}) >"$HOME/log" 2>&1; i=0\n'
                     'until mfactl status | grep next; do i=$((i + 1)); [ $i -lt 100 ] || exit 1; sleep 0.1; done\n'
                     'mfactl vault status | grep none; pkill -u $(id -u) -x "mfad|mfad-signer"', runtime)
        assert 'mfactl init' in done.stdout, (done, shell('cat $HOME/log', {}).stdout)


def test_start_by_hand_without_a_login(manager):
    manager.call(start_by_hand, as_root=True)
