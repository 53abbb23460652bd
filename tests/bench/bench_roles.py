"""Role profiles by the thousand: the first answers, a storm of refreshes, a crowd that waits, and the memory.

What buys credentials is measured beside curl, which sends the same number of calls that were signed
beforehand, as many at a time as mfad has under way; both meet the same simulator."""
import concurrent.futures
import os
import subprocess
import time

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from figures import median, memory_kib, on_cpu_sec, say, troubles, verdict
from mfadtest import web
from mfadtest.moved_clock import MovedClock
from mfadtest.processes import wait_until
from mfadtest.stack import Stack, spelt

CALLS_AT_ONCE = 8   # ROLES_CALLS_MAX
ROLES, CROWD, CROWD_ROLES = 1000, 2000, 50
STS_SEC = 0.1       # how long STS takes, about, from one continent
HERE = os.path.dirname(os.path.abspath(__file__))


def in_words(values):
    values = sorted(values)
    return f'{median(values):.2f} / {values[len(values) * 99 // 100]:.2f} / {values[-1]:.1f}'


def profile_name(n):
    return f'team-{n % 25:02d}/{n:04d}'


def profiles(count, suffix=''):
    return {profile_name(n): {'role_arn': role_arn(n) + suffix, 'source_profile': 'default', 'region': 'eu-west-1'}
            for n in range(count)}


def role_arn(n):
    return f'arn:aws:iam::123456789012:role/R{n:04d}'


class Clock(MovedClock):
    """With the library compiled here: a release build has no tests."""

    def __init__(self, folder):
        path = os.path.join(folder, 'tests', 'integration')
        os.makedirs(path, exist_ok=True)
        source = os.path.join(os.path.dirname(HERE), 'integration', 'moved_clock.c')
        subprocess.run(['cc', '-O2', '-shared', '-fPIC', '-D_GNU_SOURCE', '-o', os.path.join(path, 'moved-clock.so'),
                        source, '-ldl'], check=True)
        self.folder = folder
        super().__init__(self, folder)


def calls(simulator):
    """AssumeRole by outcome; the same for a role twice is a trouble."""
    twice = [role for role, count in simulator.counts().items() if count != 1]
    if twice:
        troubles.append(f'{len(twice)} roles were not bought exactly once: {twice[:3]}')
    return sum(simulator.counts(outcome='ok').values())


def measure_start(stack, empty_stack, times):
    found = {}
    for name, s in (('none', empty_stack), ('thousand', stack)):
        found[name] = []
        for _ in range(times):
            s.front.terminate()
            s.front.start()
            found[name].append(s.front.ready_sec * 1000)
    few, many = median(found['none']), median(found['thousand'])
    say(f'from start to READY=1: median {many:.1f} ms; with one profile {few:.1f} ms; ratio {many / few:.2f}')


def measure_reload(stack, times):
    """From the new file to the first answer that knows of it, and the slowest other answer meanwhile."""
    took, others = [], []
    for turn in range(times):
        name = f'new-{turn}'
        began = time.perf_counter()
        stack.write_profiles({**profiles(ROLES), name: {'role_arn': role_arn(0), 'source_profile': 'default'}})
        while stack.get_profile(name).code == 'MfadUnknownProfile':
            before = time.perf_counter()
            stack.get('/healthz')
            others.append((time.perf_counter() - before) * 1000)
        took.append((time.perf_counter() - began) * 1000)
    stack.write_profiles(profiles(ROLES))
    say(f'a changed file is in use after {median(took):.0f} ms (50 of them a pause on purpose); '
        f'slowest other answer meanwhile {max(others):.1f} ms')


def measure_list(stack, times):
    began = time.perf_counter()
    for _ in range(times):
        count = len(stack.profiles())
    sec = (time.perf_counter() - began) / times
    began = time.perf_counter()
    for _ in range(times):
        stack.mfactl('profiles')
    shown = (time.perf_counter() - began) / times
    say(f'ListProfiles of {count}: {sec * 1000:.1f} ms; mfactl profiles {shown * 1000:.1f} ms')


def signed(simulator, creds, n):
    """A curl configuration: AssumeRole of role n with @creds."""
    body = ('Action=AssumeRole&Version=2011-06-15&RoleSessionName=bare&DurationSeconds=3600&RoleArn='
            + role_arn(n).replace(':', '%3A').replace('/', '%2F'))
    request = AWSRequest('POST', simulator.url + '/', {
        'Content-Type': 'application/x-www-form-urlencoded; charset=utf-8'}, body)
    SigV4Auth(Credentials(creds['AccessKeyId'], creds['SecretAccessKey'], creds['Token']), 'sts',
              'eu-west-1').add_auth(request)
    lines = [f'url = "{simulator.url}/"', f'cacert = "{simulator.ca_file}"', 'silent', 'output = "/dev/null"', 'fail',
             f'data = "{body}"'] + [f'header = "{k}: {v}"' for k, v in request.headers.items()]
    return '\n'.join(lines) + '\n'


def bare_sec(stack, folder, count):
    """@count calls by curl, CALLS_AT_ONCE at a time."""
    creds, names = stack.credentials(), []
    for n in range(count):
        names.append(os.path.join(folder, f'curl-{n}'))
        with open(names[-1], 'w', encoding='ascii') as f:
            f.write(signed(stack.simulator, creds, n))
    began = time.perf_counter()
    subprocess.run(['xargs', '-n', '1', '-P', str(CALLS_AT_ONCE), 'curl', '-K'], input='\n'.join(names), text=True,
                   check=True)
    return time.perf_counter() - began


def measure_first_answers(stack, bare):
    """All roles cold, CALLS_AT_ONCE clients, each of which waits for its answer as SDKs do."""
    pid = stack.front.pid
    stack.simulator.reset(keep=True)
    before, used = memory_kib(pid), on_cpu_sec(pid)
    began = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(CALLS_AT_ONCE) as pool:
        took = list(pool.map(lambda n: first_answer_ms(stack, profile_name(n)), range(ROLES)))
    sec = time.perf_counter() - began
    used, after = on_cpu_sec(pid) - used, memory_kib(pid)
    count = calls(stack.simulator)
    if count != ROLES or stack.status()['roles_held'] != ROLES:
        troubles.append('not all of the thousand roles were served')
    say(f'{ROLES} cold roles, {CALLS_AT_ONCE} clients: {sec:.1f} s, {count} AssumeRole; curl {bare:.1f} s; '
        f'ratio {sec / bare:.2f}' + verdict(sec / bare, at_most=1.5))
    say(f'  first answer in ms, median / 99 in 100 / slowest: {in_words(took)}; mfad\'s own CPU '
        f'{used / ROLES * 1000:.2f} ms a role')
    if before is None or after is None:
        say('  memory per role: only root can see this')
        return
    say(f'  memory: {(after[1] - before[1]) / ROLES:.2f} KiB of PSS a role ({before[1]} KiB before the first, '
        f'{after[1]} KiB after the last), {(after[2] - before[2]) / ROLES:.2f} KiB its own; secrets are kept in '
        f'{stack.status()["memory"]} memory')


def first_answer_ms(stack, name):
    began = time.perf_counter()
    while stack.get_profile(name).status != 200:
        time.sleep(0.01)
        if time.perf_counter() - began > 60:
            troubles.append(f'{name} has no answer')
            break
    return (time.perf_counter() - began) * 1000


def one_ms(port, request):
    began = time.perf_counter()
    answer = web.exchange(port, request)
    if answer.status != 200:
        troubles.append(f'{request}: {answer}')
    return (time.perf_counter() - began) * 1000


def ask_both(stack, bare_port, numbers):
    """The milliseconds of one request to each in turn, for these roles."""
    ours, theirs = [], []
    for n in numbers:
        request = web.request_bytes('/profile/' + spelt(profile_name(n)), stack.port, stack.token, close=True)
        ours.append(one_ms(stack.port, request))
        theirs.append(one_ms(bare_port, request))
    return ours, theirs


def measure_storm(stack, clock, bare, bare_port):
    """All roles fall due in the same instant, and clients go on asking."""
    simulator = stack.simulator
    quiet, quiet_bare = ask_both(stack, bare_port, range(ROLES))
    simulator.reset(keep=True)
    clock.leap(31 * 60)
    began, during, during_bare, used = time.perf_counter(), [], [], on_cpu_sec(stack.front.pid)
    while sum(simulator.counts(outcome='ok').values()) < ROLES and time.perf_counter() - began < 120:
        ours, theirs = ask_both(stack, bare_port, range(0, ROLES, 5))
        during, during_bare = during + ours, during_bare + theirs
    sec, used = time.perf_counter() - began, on_cpu_sec(stack.front.pid) - used
    if calls(simulator) != ROLES:
        troubles.append('the storm did not renew every role')
    say(f'{ROLES} roles due in one instant: all renewed after {sec:.1f} s; curl {bare:.1f} s; ratio {sec / bare:.2f}; '
        f'mfad\'s own CPU {used / ROLES * 1000:.2f} ms a role, with the answers')
    say('  answers in ms, median / 99 in 100 / slowest, one connection each:')
    say(f'  meanwhile {in_words(during)}, bare server {in_words(during_bare)}; '
        f'in quiet {in_words(quiet)}, bare server {in_words(quiet_bare)}')


def bare_crowd_sec(stack, folder):
    slow_sts(stack.simulator)
    return bare_sec(stack, folder, CROWD_ROLES)


def slow_sts(simulator):
    simulator.reset(keep=True)
    simulator.fault('delay', 'AssumeRole', count=-1, sec=STS_SEC)


def measure_crowd(stack, bare):
    """Many clients of few roles that nobody has, while STS takes its usual time."""
    stack.write_profiles(profiles(CROWD_ROLES, suffix='x'))
    wait_until(lambda: len(stack.profiles()) == CROWD_ROLES + 1)
    slow_sts(stack.simulator)
    paths = ['/profile/' + spelt(profile_name(n)) for n in range(CROWD_ROLES)] * (CROWD // CROWD_ROLES)
    crowd = web.Crowd(stack.port, stack.token, paths)
    count = calls(stack.simulator)
    if count != CROWD_ROLES or any(a is None or a.status != 200 for a in crowd.answers):
        troubles.append('the crowd at the roles was not answered as promised')
    say(f'{CROWD} clients at once for {CROWD_ROLES} cold roles, while STS takes {STS_SEC * 1000:.0f} ms: '
        f'{count} AssumeRole; all have 200 after {crowd.sec:.2f} s; curl {bare:.2f} s for the {CROWD_ROLES} calls; '
        f'ratio {crowd.sec / bare:.2f}')
    say(f'  answered 503 in between {crowd.n_pending} times, cut {crowd.n_cut} times')


def measure_roles(build, simulator, folder, quick, bare_port, measure_path):
    """@bare_port: where a bare server answers. @measure_path(stack, path): what one path costs."""
    say(f'\nRoles: {ROLES} profiles in ~/.aws/config')
    simulator.reset()
    web.raise_descriptor_limit()
    few, stack = Stack(build, simulator), Stack(build, simulator)
    clock = Clock(folder)
    simulator.options(clock_file=clock.path)
    clock.drive(stack)
    try:
        stack.write_profiles(profiles(ROLES))
        assert stack.start().mfactl('init', '--yes', '--remove-plain-keys', passphrase=stack.passphrase).code == 0
        measure_start(stack, few.start(), 5 if quick else 20)
        stack.open_vault()
        stack.unlock()
        measure_list(stack, 3 if quick else 10)
        measure_reload(stack, 3 if quick else 10)
        bare = bare_sec(stack, folder, ROLES)
        measure_first_answers(stack, bare)
        bare_crowd = bare_crowd_sec(stack, folder)
        measure_storm(stack, clock, bare, bare_port)
        measure_crowd(stack, bare_crowd)
        measure_path(stack, '/profile/' + spelt(profile_name(0)))
    finally:
        for s in (few, stack):
            troubles.extend(s.stop())
            s.remove()
