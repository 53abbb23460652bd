"""Drives tests/unit/aws-tool, the small program through which common/'s AWS modules can be asked."""
import json
import os
import subprocess

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
VECTORS = os.path.join(ROOT, 'tests', 'vectors')


class AwsTool:
    """`MFAD_BUILD` names the build directory; else it is pytest's --build-dir."""

    def __init__(self, build_dir):
        build = os.path.join(ROOT, os.environ.get('MFAD_BUILD', build_dir))
        self.path = os.path.join(build, 'tests', 'unit', 'aws-tool')
        assert os.path.exists(self.path), f'not built: {self.path}'

    def _run(self, arguments, text='', environment=None):
        done = subprocess.run([self.path, *arguments], input=text.encode(), capture_output=True, timeout=120,
                              env=environment, check=False)
        assert done.returncode == 0, (arguments, done.returncode, done.stderr)
        return [json.loads(line) for line in done.stdout.decode().split('\n') if line]

    def each(self, command, calls):
        """One answer for each of `calls`."""
        answers = self._run([command], ''.join(json.dumps(call) + '\n' for call in calls))
        assert len(answers) == len(calls)
        return answers

    def ini(self, path):
        return self._run(['ini', path])[0]

    def config(self, config_path, credentials_path, home):
        return self._run(['config', config_path, credentials_path], environment={'HOME': home})[0]

    def session(self, source, target, section):
        return self._run(['session', source, target, section])[0]['result']


@pytest.fixture(scope='session')
def tool(request):
    return AwsTool(request.config.getoption('--build-dir', 'build'))
