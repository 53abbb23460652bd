#!/usr/bin/python3
"""demo.py - mfad at work in a throw-away home beside a simulated AWS: each step is shown and checked.

usage: demo.py --build DIR. Exit 0 only if every step did what it says.
"""
import argparse
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, 'integration'), HERE]

from awssim.client import AwsSim  # noqa: E402
from mfadtest.build import Build  # noqa: E402
from mfadtest.client import LOCKED, OK  # noqa: E402
from mfadtest.processes import wait_until  # noqa: E402
from mfadtest.stack import Stack  # noqa: E402

AWS = '/usr/bin/aws'
ROLE = 'arn:aws:iam::123456789012:role/Developer'
ASK_BOTO = "import boto3, sys; print(boto3.client('sts', endpoint_url=sys.argv[1]).get_caller_identity()['Arn'])"


class Failed(Exception):
    pass


class Demo:
    def __init__(self, stack, simulator):
        self.stack, self.simulator = stack, simulator
        self.number = 0
        self.arn = f'arn:aws:iam::{simulator.config["account"]}:user/{simulator.user()["name"]}'

    def step(self, what):
        self.number += 1
        print(f'\n{self.number}. {what}', flush=True)

    def show(self, command, text):
        print(f'   $ {command}')
        for line in text.strip().splitlines():
            print(f'     {line}')
        sys.stdout.flush()

    def check(self, is_right, what):
        if not is_right:
            raise Failed(what)

    def mfactl(self, shown, *arguments, code=OK, **more):
        done = self.stack.mfactl(*arguments, **more)
        self.show(shown, done.out + done.err)
        self.check(done.code == code, f'exit code {done.code}, not {code}')
        return done.out + done.err

    def ask_aws(self, shown, argv, environment):
        """An AWS client in an environment that holds nothing but what `mfactl env` gives."""
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60, check=False)
        self.show(shown, done.stdout + done.stderr)
        return done

    def client_environment(self):
        return {**self.stack.client_environment(), 'AWS_CA_BUNDLE': self.simulator.ca_file}

    def become_the_user(self, shown, argv):
        done = self.ask_aws(shown, argv, self.client_environment())
        self.check(done.returncode == 0 and self.arn in done.stdout, f'the answer does not name {self.arn}')
        self.check(self.simulator.log('GetCallerIdentity')[-1]['credential'] == 'session',
                   'the simulator did not see the session that it handed out')

    def set_up(self):
        self.step('A home like yours: a plain long-term key in ~/.aws/credentials, MFA in ~/.aws/config')
        text = self.stack.read('.aws/credentials')
        self.show('cat ~/.aws/credentials', re.sub(r'(?<=secret_access_key = ....).*', '...', text))
        self.step('mfad-signer and mfad run; the key moves from the plain file into an encrypted vault')
        self.stack.start()
        self.mfactl('mfactl init --yes --remove-plain-keys --passphrase-fd 3', 'init', '--yes',
                    '--remove-plain-keys', passphrase=self.stack.passphrase)
        self.check([k['name'] for k in self.stack.vault_status()['keys']] == ['default'],
                   'the vault does not hold the key')
        self.check('aws_secret_access_key' not in self.stack.read('.aws/credentials'),
                   'the plain key is still in ~/.aws/credentials')

    def unlock(self):
        self.step('One code of the MFA device buys a session (computed here from the device\'s TOTP seed)')
        code = self.simulator.fresh_code()
        self.mfactl(f'mfactl unlock {code}', 'unlock', code)
        call = self.simulator.log('GetSessionToken')[-1]
        self.check(call['code'] == code and call['outcome'] == 'ok', 'STS did not accept the code')

    def use(self):
        url = self.simulator.url
        # this generation of clients reads no endpoint from the configuration: it is given to them
        self.aws = [AWS, 'sts', 'get-caller-identity', '--endpoint-url', url, '--output', 'text']
        if os.path.exists(AWS):
            self.step('In one terminal: the AWS CLI')
            self.become_the_user('eval "$(mfactl env)"; aws sts get-caller-identity', self.aws)
        else:
            self.step(f'(No {AWS} in this distribution: boto3 alone shows the rest)')
            self.aws = ['/usr/bin/python3', '-c', ASK_BOTO, url]
        self.step('In another terminal: Python with boto3')
        self.become_the_user('eval "$(mfactl env)"; python3 -c "import boto3; ...get_caller_identity()"',
                             ['/usr/bin/python3', '-c', ASK_BOTO, url])
        self.step('A role profile of ~/.aws/config: no other code is asked for')
        self.stack.write_profiles({'dev': {'role_arn': ROLE, 'source_profile': 'default'}})
        wait_until(lambda: 'dev' in self.stack.profiles(), what='mfad reads ~/.aws/config again')
        self.show('cat ~/.aws/config', '...\n[profile dev]\n' + self.stack.read('.aws/config').split('[profile dev]\n')[1])
        done = self.ask_aws('eval "$(mfactl env --profile dev)"; aws sts get-caller-identity', self.aws,
                            {**self.stack.client_environment('dev'), 'AWS_CA_BUNDLE': self.simulator.ca_file})
        self.check(done.returncode == 0 and ':assumed-role/Developer/' in done.stdout, 'the answer does not name the role')
        self.step('How things stand')
        self.check(self.mfactl('mfactl status', 'status').startswith('unlocked'),
                   'status does not say "unlocked"')

    def lock(self):
        environment = self.client_environment()
        self.step('Locked: the credentials are gone from memory, and AWS clients say what to do')
        self.mfactl('mfactl lock', 'lock')
        done = self.ask_aws('aws sts get-caller-identity', self.aws, environment)
        self.check(done.returncode != 0 and 'mfactl unlock' in done.stderr, 'the error does not say "mfactl unlock"')
        self.check(self.mfactl('mfactl status', 'status', code=LOCKED).startswith('locked'),
                   'status does not say "locked"')

    def run(self):
        self.set_up()
        self.unlock()
        self.use()
        self.lock()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n', maxsplit=1)[0])
    parser.add_argument('--build', default='build', help='the meson build directory')
    build = Build(parser.parse_args().build)
    with AwsSim() as simulator:
        stack = Stack(build, simulator)
        try:
            Demo(stack, simulator).run()
            problems = stack.stop()
            if problems:
                raise Failed('; '.join(problems))
        except Failed as e:
            print(f'\nfailed: {e}', file=sys.stderr)
            for name, text in stack.logs().items():
                print(f'---- {name}\n{text}', file=sys.stderr)
            return 1
        finally:
            stack.stop()
            stack.remove()
    print('\nEvery step did what it says. The throw-away home is gone.')
    return 0


if __name__ == '__main__':
    sys.exit(main())
