"""Fixtures: the simulator (one for all tests, reset before each), and stacks of the real programs."""
import os
import shutil
import signal
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]

from awssim.client import AwsSim  # noqa: E402
from mfadtest import client, manager as managers, memory, skips, template  # noqa: E402
from mfadtest.build import Build  # noqa: E402
from mfadtest.fake import FakeDaemons  # noqa: E402
from mfadtest.stack import Stack  # noqa: E402


# A shell starts what runs in the background deaf to Ctrl-C, nohup(1) deaf to a hang-up, and programs under test
# would inherit that.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
for deaf in (signal.SIGQUIT, signal.SIGHUP):
    if signal.getsignal(deaf) == signal.SIG_IGN:
        signal.signal(deaf, signal.SIG_DFL)
# `./run` ends us so when it is interrupted itself; what we started must end too
signal.signal(signal.SIGTERM, lambda number, frame: pytest.exit('terminated', returncode=128 + number))


# Where several processes share the files: nobody begins with one of these when the others are nearly done.
LONG = ('test_clients', 'test_kills', 'test_log', 'test_restart', 'test_roles_day', 'test_roles_outage', 'test_signer_vault',
        'test_units', 'test_units_doctor')


def pytest_addoption(parser):
    parser.addoption('--build-dir', default='build', help='the meson build directory under test')
    parser.addoption('--all-clients', action='store_true',
                     help='also run the JavaScript, Go and rclone clients; then they, and whatever else a test needs, '
                     'must be there')


def pytest_configure(config):
    config.addinivalue_line('markers', 'sanitizers_no: means nothing in a build with sanitizers')
    config.addinivalue_line('markers', 'alone: measures what others would change; ./run lets it run when they are done')
    config.addinivalue_line('markers', 'root: needs root, and the right to read the memory of others')


def pytest_collection_modifyitems(config, items):
    sanitized = Build(config.getoption('--build-dir')).is_sanitized
    items.sort(key=lambda item: item.path.stem not in LONG)
    for item in items:
        if sanitized and item.get_closest_marker('sanitizers_no'):
            item.add_marker(pytest.mark.skip(reason='means nothing in a build with sanitizers'))
        if item.get_closest_marker('root') and not memory.can_scan():
            item.add_marker(pytest.mark.skip(reason='needs root with CAP_SYS_PTRACE'))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    skips.judge(outcome.get_result(), item.config.getoption('--all-clients'))
    setattr(item, 'report_' + call.when, outcome.get_result())


def pytest_sessionfinish():
    skips.tell()


@pytest.fixture(scope='session')
def build(request):
    found = Build(request.config.getoption('--build-dir'))
    assert not found.missing(), f'not built: {found.missing()}'
    return found


@pytest.fixture(scope='session')
def all_clients(request):
    return request.config.getoption('--all-clients')


@pytest.fixture(scope='session')
def running_simulator():
    with AwsSim() as simulator:
        yield simulator


@pytest.fixture
def simulator(running_simulator):
    """As freshly started: no code used, no fault waiting, an empty log."""
    running_simulator.reset()
    running_simulator.given.clear()
    return running_simulator


@pytest.fixture(scope='session')
def vault_template(build, running_simulator):
    """The folder of a vault that holds the simulator's key, made once by `mfactl key import`, but quicker to open."""
    stack = Stack(build, running_simulator).start()
    try:
        done = stack.mfactl('key', 'import', '--yes', passphrase=stack.passphrase)
        assert done.code == client.OK, done
        assert stack.stop() == []
        template.at_least_cost(stack.data)
        yield stack.data
    finally:
        stack.stop()
        stack.remove()


@pytest.fixture
def make_stack(request, build, simulator, vault_template):
    """make_stack(with_vault=True, **options): a Stack that is not started; all are judged at the end.
    @kind, @aws, @template: another class, another simulator, another vault."""
    stacks = []

    def make(with_vault=True, kind=Stack, aws=simulator, template=vault_template, **options):
        stacks.append(kind(build, aws, template if with_vault else None, **options))
        return stacks[-1]

    yield make
    problems = []
    for stack in stacks:
        markers = stack.markers()
        problems += stack.stop()
        logs = stack.logs()
        problems += [f'{name} logged the {what}' for name, text in logs.items()
                     for what, marker in markers.items() if marker in text]
        if problems or getattr(request.node, 'report_call', None) is None or request.node.report_call.failed:
            for name, text in logs.items():
                print(f'---- {name}\n{text[-8000:]}')
        stack.remove()
    assert not problems, problems


@pytest.fixture
def stack(make_stack):
    """Both programs running, the vault sealed with the simulator's key in it."""
    return make_stack().start()


@pytest.fixture
def open_stack(stack):
    stack.open_vault()
    return stack


@pytest.fixture
def unlocked(open_stack):
    open_stack.unlock()
    return open_stack


@pytest.fixture(scope='session')
def installed(build):
    folder = managers.install(build)
    yield f'{folder}/usr/local'
    shutil.rmtree(folder)


@pytest.fixture
def manager(installed, running_simulator, vault_template):
    """A user manager with mfad installed and nothing enabled; the vault is sealed."""
    made = managers.Manager(installed, running_simulator.config, vault_template)
    try:
        yield made.start()
    finally:
        made.stop()


@pytest.fixture
def make_fake(build):
    """make_fake(**options): stand-ins for the daemons, for tests of mfactl alone."""
    made = []

    def make(**options):
        made.append(FakeDaemons(build.mfactl, **options))
        return made[-1]

    yield make
    for fake in made:
        fake.close()


@pytest.fixture
def fake(make_fake):
    return make_fake()
