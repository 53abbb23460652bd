#!/usr/bin/python3
"""story.py - the life of the package on a booted machine with four users; run by boot-test, as root.

Alice has mfad on the default port. Bob has it on one of his own, and no bus, as without dbus-user-session. Carol never
asked for it, and Dave is logged out.
"""
import hashlib
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import time
import traceback

from awssim.client import AwsSim
from system import Failed, Login, User, check, files, is_old, is_open, programs, run, wait_until

HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGE, NEXT = HERE + '/mfad.deb', HERE + '/mfad-next.deb'
UNITS = 'mfad.socket mfad-signer.socket'
PORT, BOBS_PORT = 9912, 9913
PASSPHRASE = 'tall horses eat blue grass'
WHO_AM_I = "import boto3, os; print(boto3.client('sts', endpoint_url=os.environ['STS']).get_caller_identity()['Arn'])"
ROOTS = '/opt/mfad-test/environment.d'
LOCKED = 4  # exit code of mfactl
SAMPLE, ENVIRONMENT = '/usr/share/mfad/examples/60-mfad.conf', '.config/environment.d/60-mfad.conf'
# what README.Debian says that stays of those who used it, besides what they have made by hand
STAYS = {*(f'.local/share/mfad/vault{end}' for end in ('', '.gen', '.lock')),
         *(f'.config/systemd/user/sockets.target.wants/{name}' for name in UNITS.split())}
BOBS_SOCKET = f"""[Socket]
ListenStream=
ListenStream=127.0.0.1:{BOBS_PORT}
ListenStream=[::1]:{BOBS_PORT}
ListenStream=%t/mfad/control
"""
AWS = {'users': [{'name': name, 'keys': [{'id': f'AKIA{name.upper():A<16}', 'secret': f'{name:x<40}'}],
                  'mfa': [{'serial': f'arn:aws:iam::123456789012:mfa/{name}', 'seed': seed}]}
                 for name, seed in (('alice', 'JBSWY3DPEHPK3PXP' * 2), ('bob', 'KRSXG5CTMVRXEZLU' * 2))],
       # codes of the minutes around count too, so that nobody waits for the next one
       'options': {'totp_drift': 12}}


class Story:
    def __init__(self, aws):
        self.aws = aws
        self.alice, self.bob, self.carol, self.dave = self.users = [
            User('story-' + name) for name in ('alice', 'bob', 'carol', 'dave')]
        self.names = {self.alice: 'alice', self.bob: 'bob'}
        self.before = files('/usr', '/etc', '/var', '/run')

    # what the users do

    def give_keys(self, user):
        name = self.names[user]
        key = self.aws.key(name)
        user.write('.aws/config', f'[default]\nregion = us-east-1\nmfa_serial = {self.aws.serial(name)}\n'
                   f'endpoint_url = {self.aws.url}\nca_bundle = {self.aws.ca_file}\n')
        user.write('.aws/credentials', f'[default]\naws_access_key_id = {key["id"]}\n'
                   f'aws_secret_access_key = {key["secret"]}\n')
        user.write('passphrase', PASSPHRASE + '\n')

    def init(self, login):
        login.run('mfactl init --yes --remove-plain-keys --passphrase-fd 3 3<~/passphrase')
        check(os.path.exists(login.user.vault), 'init made no vault')

    def unlock(self, login):
        code = self.aws.fresh_code(self.aws.serial(self.names[login.user]))
        login.run(f'echo {code} | mfactl unlock --code-stdin --passphrase-fd 3 3<~/passphrase')

    def who_am_i(self, login):
        """What AWS says to boto3 in the environment that `mfactl env` gives."""
        return login.run(f'eval "$(mfactl env)"; STS={self.aws.http_url} /usr/bin/python3 -c {shlex.quote(WHO_AM_I)}')

    def arn(self, user):
        return f'arn:aws:iam::123456789012:user/{self.names[user]}'

    def bought(self):
        return len(self.aws.log('GetSessionToken'))

    # the story

    def install(self):
        run('dpkg', '-i', PACKAGE)
        self.carols = Login(self.carol)
        for unit in UNITS.split():
            check(self.carols.run(f'systemctl --user is-enabled {unit}', code=1) == 'disabled', f'{unit} is enabled')
        check(not programs(), 'something runs that nobody has asked for')
        self.carols.run('cat /usr/libexec/mfad/mfad', code=1)

    def two_logins_of_one_user(self):
        self.give_keys(self.alice)
        self.alice.write('.config/mfad/mfad.conf', '[mfad]\nlock_on_suspend = yes\nlock_on_screen_lock = yes\n')
        first, self.alices = Login(self.alice), Login(self.alice)
        check(first.id != self.alices.id, 'not two logins')
        first.run(f'systemctl --user enable --now {UNITS}')
        check(is_open(PORT), 'the port is not open')
        self.init(first)
        self.unlock(first)
        for login in (first, self.alices):
            check(self.who_am_i(login) == self.arn(self.alice), 'AWS does not know Alice')
        first.log_out()
        wait_until(lambda: first.id not in run('loginctl', 'list-sessions', '--no-legend').split(), 'the logout')
        check(self.who_am_i(self.alices) == self.arn(self.alice), 'the session went with one of two logins')
        check(self.bought() == 1, 'more than one session was bought')

    def another_user(self):
        self.give_keys(self.bob)
        self.bob.link('.config/systemd/user/dbus.socket', '/dev/null')
        self.bobs = Login(self.bob)
        check(not os.path.exists(f'/run/user/{self.bob.uid}/bus'), 'Bob has a bus')
        said = self.bobs.run(f'systemctl --user enable --now {UNITS}', code=None)
        check(self.bob.show('mfad.socket', 'ActiveState') != 'active', f"Bob has got Alice's port: {said}")
        self.bob.write('.config/systemd/user/mfad.socket.d/port.conf', BOBS_SOCKET)
        self.bob.write('.config/mfad/mfad.conf', f'[mfad]\nport = {BOBS_PORT}\n')
        self.bobs.run('systemctl --user daemon-reload; systemctl --user restart mfad.socket')
        self.init(self.bobs)
        self.unlock(self.bobs)
        check(self.who_am_i(self.bobs) == self.arn(self.bob), 'AWS does not know Bob')
        check(self.who_am_i(self.alices) == self.arn(self.alice), 'AWS does not know Alice any more')

    def strangers(self):
        """With all that Bob could ever find out, the client token included, he gets nothing of Alice's."""
        ask = "curl -sS -m 10 -o - -w '%{{http_code}}' -H 'Authorization: {}' http://127.0.0.1:{}/"
        token = self.alice.token()
        check(self.alices.run(ask.format(token, PORT)).endswith('200'), 'Alice is not served')
        said = self.bobs.run(ask.format(token, PORT), code=None)
        check('ASIA' not in said and not said.endswith('200'), f'Bob is served: {said}')
        said = self.alices.run(ask.format(self.bob.token(), BOBS_PORT), code=None)
        check('ASIA' not in said and not said.endswith('200'), f'Alice is served: {said}')
        for path in (self.alice.runtime + '/token', self.alice.vault, f'/proc/{self.alice.pid("mfad")}/environ'):
            self.bobs.run(f'cat {path}', code=1)
        self.bobs.run(f'XDG_RUNTIME_DIR=/run/user/{self.alice.uid} mfactl creds', code=3)

    def screen_lock(self):
        pid = self.alice.pid('mfad')
        run('loginctl', 'lock-session', self.alices.id)
        wait_until(lambda: self.alice.status().startswith('locked'), 'the screen lock locks')
        self.alices.run('mfactl status', code=LOCKED)
        check(self.alice.pid('mfad') == pid, 'a lock is another process')
        check(self.bob.status().startswith('unlocked'), "Alice's screen has locked Bob")
        self.unlock(self.alices)

    def suspend(self):
        run('systemctl', 'suspend')
        found = pathlib.Path(self.alice.home, 'asleep')
        self.alice.own.add(str(found))
        wait_until(found.exists, 'the machine sleeps')
        seen = found.read_text(encoding='utf-8')
        check(seen.startswith('locked'), f'when it slept it was not locked: {seen}')
        check(self.bob.status().startswith('unlocked'), 'Bob, who did not ask for it, is locked')
        self.unlock(self.alices)

    def upgrade(self):
        """Alice: vault open, a session, an SDK at work. Bob: all closed. Carol: nothing."""
        self.bobs.run('mfactl lock --seal')
        vault = hashlib.sha256(pathlib.Path(self.alice.vault).read_bytes()).digest()
        bought = self.bought()
        pids = {(u, n): u.pid(n) for u in (self.alice, self.bob) for n in ('mfad', 'mfad-signer')}
        began, done = (pathlib.Path(self.alice.home, name) for name in ('began', 'done'))
        self.alice.own |= {str(began), str(done)}
        self.alices.start(f'eval "$(mfactl env)"; /usr/bin/python3 -B {HERE}/sdk_loop.py {began} {done}')
        wait_until(began.exists, 'the SDK is at work')
        said = run('dpkg', '-i', NEXT)
        time.sleep(1)
        done.touch()
        loop = json.loads(self.alices.finish().splitlines()[-1])
        print(f'   {loop}')
        check(not loop['failures'] and loop['asked'] > 10, 'requests have failed')
        check(len(loop['keys']) == 1 and self.bought() == bought, 'the session is another one')
        for user, name, is_kept in ((self.alice, 'mfad', False), (self.alice, 'mfad-signer', True),
                                    (self.bob, 'mfad', False), (self.bob, 'mfad-signer', False)):
            pid = user.pid(name)
            check(pid, f'{name} of {user.name} does not run: {said}')
            check((pid == pids[user, name]) == is_kept == is_old(pid), f'{name} of {user.name}: {said}')
        check(not programs(self.carol.uid), 'Carol has got what she never asked for')
        check(self.alice.status().startswith('unlocked'), 'Alice is locked')
        check(hashlib.sha256(pathlib.Path(self.alice.vault).read_bytes()).digest() == vault, 'the vault has changed')

    def upgrade_with_a_sealed_vault(self):
        self.unlock(self.bobs)
        self.bobs.run('mfactl vault seal')
        pids = self.bob.pid('mfad'), self.bob.pid('mfad-signer')
        run('/var/lib/dpkg/info/mfad.postinst', 'configure', '0.0.1')
        check(self.bob.pid('mfad') == pids[0], 'a session was thrown away')
        check(self.bob.pid('mfad-signer') != pids[1], 'mfad-signer was not restarted')
        check(self.who_am_i(self.bobs) == self.arn(self.bob), 'AWS does not know Bob any more')

    def out_of_reach(self, *argv):
        """What @argv says while Bob's service manager does not answer."""
        path = f'/run/user/{self.bob.uid}/systemd/private'
        os.rename(path, path + '-away')
        try:
            return run(*argv)
        finally:
            os.rename(path + '-away', path)

    def upgrade_of_a_user_out_of_reach(self):
        said = self.out_of_reach('/var/lib/dpkg/info/mfad.postinst', 'configure', '0.0.1')
        check(f'mfad of user {self.bob.name} could not be restarted' in said, said)

    def the_rest_of_the_upgrade(self):
        """As README.Debian says."""
        self.alices.run('mfactl vault seal; systemctl --user restart mfad-signer')
        check(not is_old(self.alice.pid('mfad-signer')), 'mfad-signer is still the old one')
        check(self.who_am_i(self.alices) == self.arn(self.alice), 'the session is gone')
        self.unlock(self.alices)  # with which the vault's last generation goes

    def last_logout(self):
        """Bob's user manager stays, and mfad with it, but it forgets."""
        run('loginctl', 'enable-linger', self.bob.name)
        check(self.bob.status().startswith('unlocked'), 'there is nothing to lock')
        self.bobs.log_out()
        wait_until(lambda: self.bob.status().startswith('locked'), 'the last logout locks')
        check(is_open(BOBS_PORT), "Bob's port is closed")

    def removal_of_a_user_out_of_reach(self):
        said = self.out_of_reach('/var/lib/dpkg/info/mfad.prerm', 'remove')
        check(f'mfad of user {self.bob.name} could not be ended' in said, said)
        check(is_open(BOBS_PORT), 'Bob was within reach')

    def environments(self):
        """Dave's was written by mfactl, as far as it can tell; Carol leads root to a file that is not hers."""
        for user in (self.alice, self.bob):
            check(os.path.exists(f'{user.home}/{ENVIRONMENT}'), f'init of {user.name} has not written it')
        self.dave.write(ENVIRONMENT, pathlib.Path(SAMPLE).read_text(encoding='ascii'))
        self.dave.own.discard(f'{self.dave.home}/{ENVIRONMENT}')
        os.mkdir(ROOTS, 0o755)
        shutil.copy(SAMPLE, ROOTS)
        self.carol.link('.config/environment.d', ROOTS)

    def remove(self):
        installed = [p for p in run('dpkg', '-L', 'mfad').splitlines() if not os.path.isdir(p)]
        check(all(map(os.path.lexists, installed)), 'not all of it is there')
        said = run('dpkg', '-r', 'mfad')
        check(not programs(), 'something runs on')
        for port in (PORT, BOBS_PORT):
            check(not is_open(port), f'port {port} is open')
        check(f'of user {self.carol.name}' in said and os.listdir(ROOTS), f"root's own file is gone: {said}")
        run('dpkg', '-P', 'mfad')
        left = files('/usr', '/etc', '/var', '/run') - self.before
        left |= set().union(*(files(f'/run/user/{name}') for name in os.listdir('/run/user')))
        left = {p for p in left if 'mfad' in p or p.startswith(('/usr/', '/etc/'))}
        check(not left, f'left behind: {sorted(left)}')
        for user in self.users:
            expected = user.own | ({os.path.join(user.home, p) for p in STAYS} if user in self.names else set())
            check(user.files() == expected, f'in the home of {user.name}, not as it is documented: '
                                            f'{sorted(user.files() ^ expected)}')

    def install_again(self):
        """The vault is as it was."""
        run('dpkg', '-i', NEXT)
        self.alices.run(f'systemctl --user daemon-reload; systemctl --user enable --now {UNITS}')
        self.unlock(self.alices)
        check(self.who_am_i(self.alices) == self.arn(self.alice), 'AWS does not know Alice')

    def tell(self):
        for chapter in (self.install, self.two_logins_of_one_user, self.another_user, self.strangers, self.screen_lock,
                        self.suspend, self.upgrade, self.upgrade_with_a_sealed_vault,
                        self.upgrade_of_a_user_out_of_reach, self.the_rest_of_the_upgrade, self.last_logout,
                        self.environments, self.removal_of_a_user_out_of_reach, self.remove, self.install_again):
            began = time.monotonic()
            print(f'-- {chapter.__name__}', flush=True)
            chapter()
            print(f'   ok, {time.monotonic() - began:.1f} s', flush=True)


def main():
    os.chdir('/')
    state = '/run/awssim'
    os.mkdir(state, 0o755)
    subprocess.run(['dpkg', '-P', 'mfad'], check=False, capture_output=True)  # this machine's own
    try:
        with AwsSim(AWS, state=state) as aws:
            Story(aws).tell()
    except (Failed, subprocess.SubprocessError) as e:
        traceback.print_exc(limit=-3)
        print(f'failed: {e}', flush=True)
        subprocess.run(['journalctl', '--no-pager', '-b', '-n', '150', '-o', 'short-precise'], check=False)
        return 1
    print('every chapter as it should be')
    return 0


if __name__ == '__main__':
    sys.exit(main())
