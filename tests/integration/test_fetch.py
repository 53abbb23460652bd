"""mfad-fetch against the simulator: every outcome, whether a byte went out, and every limit."""
import os
import signal
import socket
import struct
import subprocess
import threading
import time

import pytest
from awssim.client import AwsSim
from mfadtest import fetch
from mfadtest.build import Build
from mfadtest.processes import wait_until

CALL = fetch.GET_CALLER_IDENTITY
TOTAL_SEC = 15  # FETCH_TOTAL_SEC
CONNECT_SEC = 5
SLACK_SEC = 3   # of a busy machine


@pytest.fixture(scope='module')
def build(request):
    found = Build(request.config.getoption('--build-dir'))
    assert os.path.exists(found.fetch), f'not built: {found.fetch}'
    return found


@pytest.fixture(scope='module')
def started():
    with AwsSim(tls_variants=True) as sim:
        yield sim


@pytest.fixture
def sim(started):
    started.reset()
    started.options(totp_drift=20)
    return started


@pytest.fixture
def run(build, sim, tmp_path):
    """run(op, ...): one whole call. What it wrote to standard error must be nothing."""
    def call(op=CALL, url=None, ca_file=None, environment=None, packet=None, **more):
        log = tmp_path / 'stderr'
        packet = packet or fetch.request(op, url or sim.url, sim.key(), sim.ca_file if ca_file is None else ca_file,
                                         **more)
        with open(log, 'wb') as stderr:
            one = fetch.Fetch(build.fetch, packet, environment, stderr)
            answer = one.answer()
        assert one.end() == 0
        assert log.read_text() == ''
        answer.took = one.took
        return answer
    return call


def buy(run, sim, **more):
    return run(fetch.GET_SESSION_TOKEN, serial=sim.serial(), code=sim.fresh_code(), **more)


# what goes well

def test_session(run, sim):
    a = buy(run, sim)
    assert (a.outcome, a.was_sent, a.http_status, a.is_date_verified, a.text) == ('ok', True, 200, True, '')
    assert abs(a.date - time.time()) < 3 and abs(a.creds['expiration'] - a.date - 43200) < 3
    entry = sim.log()[0]
    assert entry['outcome'] == 'ok' and entry['user_agent'].startswith('mfad/')
    assert a.creds['id'].startswith('ASIA') and len(a.creds['token']) == 800
    sent = {name.lower() for name, _ in entry['headers']}
    assert sent == {'host', 'user-agent', 'content-type', 'x-amz-date', 'authorization', 'content-length'}


def test_devices_and_identity(run, sim):
    assert run(fetch.LIST_MFA_DEVICES).serials == [sim.serial()]
    a = run(CALL)
    assert (a.arn, a.account) == ('arn:aws:iam::123456789012:user/alice', '123456789012')


def assume_role(run, sim, **more):
    """(the session's credentials, the answer): a role is assumed with what a code bought."""
    session = buy(run, sim).creds
    return session, run(packet=fetch.request(fetch.ASSUME_ROLE, sim.url, session, sim.ca_file, **more))


def test_role(run, sim):
    _, a = assume_role(run, sim)
    assert (a.outcome, a.was_sent, a.http_status, a.text) == ('ok', True, 200, '')
    assert a.arn == 'arn:aws:sts::123456789012:assumed-role/Admin/mfad-me-here'
    assert a.creds['id'].startswith('ASIA') and abs(a.creds['expiration'] - a.date - 3600) < 3
    chained = run(packet=fetch.request(fetch.ASSUME_ROLE, sim.url, a.creds, sim.ca_file,
                                       role='arn:aws:iam::123456789012:role/Next'))
    assert chained.outcome == 'ok' and chained.creds['id'] != a.creds['id']


def test_role_refused(run, sim):
    sim.fault('access_denied', 'AssumeRole')
    _, a = assume_role(run, sim)
    assert (a.outcome, a.http_status, a.aws_code, a.creds, a.arn) == ('aws_error', 403, 'AccessDenied', None, '')


@pytest.mark.parametrize('kind', ['missing_field', 'empty_field', 'double_field', 'bad_charset', 'bad_expiration'])
def test_bad_roles(run, sim, kind):
    sim.fault(kind, 'AssumeRole')
    _, a = assume_role(run, sim)
    assert (a.outcome, a.creds, a.arn) == ('bad_answer', None, ''), a


SERVICES = {'like_localstack': ('LSIA', 'arn:aws:sts::123456789012:assumed-role/Admin/mfad-me-here'),
            'like_minio': ('', ''),
            'like_ceph': ('', 'arn:aws:sts::123456789012:assumed-role/Admin/mfad-me-here'),
            'like_prefixed': ('key_', 'arn:aws:sts::123456789012:assumed-role/Admin/mfad-me-here')}


@pytest.mark.parametrize('kind', sorted(SERVICES))
def test_other_services(run, sim, kind):
    """What they hand out is not only read but works: the second call is signed with it."""
    sim.fault(kind, count=-1)
    session, a = assume_role(run, sim)
    start, arn = SERVICES[kind]
    assert a.outcome == 'ok' and a.creds['id'].startswith(start) and a.arn == arn, a
    assert session['id'].startswith(start) and abs(a.creds['expiration'] - a.date - 3600) < 3
    identity = run(packet=fetch.request(CALL, sim.url, a.creds, sim.ca_file))
    assert identity.arn == 'arn:aws:sts::123456789012:assumed-role/Admin/mfad-me-here'
    assert run(fetch.LIST_MFA_DEVICES).serials == [sim.serial()]


@pytest.mark.parametrize('kind', sorted(SERVICES))
def test_errors_of_other_services(run, sim, kind):
    sim.fault(kind, count=-1)
    a = run(fetch.GET_SESSION_TOKEN, serial=sim.serial(), code='000000')
    assert (a.outcome, a.http_status, a.aws_code) == ('aws_error', 403, 'AccessDenied')
    assert a.text == 'MultiFactorAuthentication failed with invalid MFA one time pass code.'


# the console's sign-in

def sign_in(run, sim, creds, **more):
    return run(packet=fetch.signin_request(sim.url, creds, sim.ca_file, **more))


def test_signin_token(run, sim):
    _, role = assume_role(run, sim)
    a = sign_in(run, sim, role.creds, duration=43200)
    assert (a.outcome, a.was_sent, a.http_status, a.text, a.creds) == ('ok', True, 200, '', None), a
    assert len(a.signin_token) == 800
    entry, = sim.log('getSigninToken')
    assert (entry['outcome'], entry['credential'], entry['key_id']) == ('ok', 'role', role.creds['id'])
    assert {name.lower() for name, _ in entry['headers']} == {'host', 'user-agent', 'content-type', 'content-length'}


def test_signin_refused(run, sim):
    session, role = assume_role(run, sim)
    refused = 'HTTP status 400: HTTP Status 400 - Invalid credentials parameter'
    for creds in (session, {**role.creds, 'secret': 'other'}):
        a = sign_in(run, sim, creds)
        assert (a.outcome, a.was_sent, a.http_status, a.aws_code, a.text) == ('aws_error', True, 400, '', refused)
        assert a.signin_token == ''
    chained = run(packet=fetch.request(fetch.ASSUME_ROLE, sim.url, role.creds, sim.ca_file))
    assert 'duration' in sign_in(run, sim, chained.creds, duration=3600).text
    assert sign_in(run, sim, chained.creds).outcome == 'ok'


@pytest.mark.parametrize('kind,more,words', [
    ('html', {}, 'is not JSON'), ('empty', {}, 'is not JSON'), ('garbage', {}, 'is not JSON'),
    ('truncated', {}, 'is not JSON'), ('gzip', {}, 'is not JSON'), ('huge', {}, 'is too big'),
    ('redirect', {}, 'status 302'), ('body', {'text': '{"SigninToken":"a b"}'}, 'illegal SigninToken'),
    ('body', {'text': '{"SigninToken":"a","SigninToken":"a"}'}, 'twice')])
def test_bad_signin_answers(run, sim, kind, more, words):
    _, role = assume_role(run, sim)
    sim.fault(kind, 'getSigninToken', **more)
    a = sign_in(run, sim, role.creds)
    assert (a.outcome, a.was_sent, a.signin_token) == ('bad_answer', True, '') and words in a.text, a


def test_signin_is_down(run, sim):
    _, role = assume_role(run, sim)
    sim.fault('503', 'getSigninToken')
    a = sign_in(run, sim, role.creds)
    assert (a.outcome, a.http_status, a.aws_code) == ('aws_error', 503, '') and 'temporary failure' in a.text


def test_plain_http_to_loopback(run, sim):
    a = run(CALL, url=sim.http_url)
    assert (a.outcome, a.is_date_verified) == ('ok', True)
    assert not sim.log()[0]['tls']


@pytest.mark.parametrize('kind', ['no_namespace', 'fraction', 'http10', 'continue', 'latin1', 'wrong_content_type'])
def test_harmless_differences(run, sim, kind):
    sim.fault(kind, 'GetSessionToken')
    a = buy(run, sim)
    # the encoding is forced: a byte that is no UTF-8 is refused whatever the document claims
    assert a.outcome == ('bad_answer' if kind == 'latin1' else 'ok'), a


# what AWS refuses

@pytest.mark.parametrize('place', ['plain', 'metadata'])
def test_wrong_code(run, sim, place):
    sim.options(request_id=place)
    a = run(fetch.GET_SESSION_TOKEN, serial=sim.serial(), code='000000')
    assert (a.outcome, a.was_sent, a.http_status, a.aws_code) == ('aws_error', True, 403, 'AccessDenied')
    assert a.text == 'MultiFactorAuthentication failed with invalid MFA one time pass code.'
    assert a.is_date_verified and a.creds is None


def test_clock_wrong(run, sim):
    sim.options(clock_offset=3600)
    a = run()
    assert a.aws_code == 'SignatureDoesNotMatch' and a.text.startswith('Signature expired: ')
    assert abs(a.date - 3600 - time.time()) < 3 and a.is_date_verified


@pytest.mark.parametrize('kind,status,code', [
    ('500', 500, 'InternalFailure'), ('503', 503, 'ServiceUnavailable'), ('429', 429, 'TooManyRequestsException'),
    ('throttle', 400, 'Throttling'), ('invalid_token', 403, 'InvalidClientTokenId')])
def test_errors(run, sim, kind, status, code):
    sim.fault(kind)
    a = run()
    assert (a.outcome, a.was_sent, a.http_status, a.aws_code) == ('aws_error', True, status, code)
    assert len(sim.log()) == 1, 'it was sent twice'


def test_error_text_is_made_printable(run, sim):
    sim.fault('error', status=400, code='Odd', message='\u202egpj\n\n\u009b31m "quoted" <tag> \u007f')
    a = run()
    assert (a.aws_code, a.text) == ('Odd', '?gpj ?31m "quoted" <tag> ?')


def test_error_without_aws_body(run, sim):
    sim.fault('error', status=502, code='not a code', message='')
    a = run()
    assert (a.outcome, a.http_status, a.aws_code) == ('aws_error', 502, '')


# answers that are none

BAD = [('garbage', 'not XML'), ('html', 'DOCTYPE'), ('empty', 'not XML'), ('truncated', 'not XML'),
       ('missing_field', 'no SessionToken'), ('empty_field', 'illegal SessionToken'),
       ('double_field', 'twice'), ('bad_charset', 'illegal SessionToken'), ('long_text', 'too much text'),
       ('doctype', 'DOCTYPE'), ('bomb', 'DOCTYPE'), ('deep', 'inside each other'), ('gzip', 'not XML'),
       ('bad_expiration', 'has passed'), ('redirect', 'status 302'), ('huge', 'too big'),
       ('huge_chunked', 'too big'), ('huge_head', 'too big'), ('endless_head', 'too big')]


@pytest.mark.parametrize('kind,words', BAD)
def test_bad_answers(run, sim, kind, words):
    sim.fault(kind, 'GetSessionToken')
    a = buy(run, sim)
    assert (a.outcome, a.was_sent, a.creds) == ('bad_answer', True, None)
    assert words in a.text, a
    assert a.took < 3 and len(sim.log()) == 1


def test_expiration_ten_years_ahead(run, sim):
    sim.fault('bad_expiration', text='2099-01-01T00:00:00Z')
    assert 'too far ahead' in buy(run, sim).text


@pytest.mark.parametrize('text', ['none', 'yesterday', 'Mon, 02 Jan 2001 00:00:00 GMT', '2026-01-01T00:00:00Z'])
def test_illegal_dates_are_no_dates(run, sim, text):
    sim.fault('wrong_date', text=text)
    a = run()
    assert (a.outcome, a.date, a.is_date_verified) == ('ok', 0, False)


def test_two_dates_are_no_date(run, sim):
    sim.fault('double_date')
    assert run().date == 0


def test_redirect_is_not_followed(run, sim):
    sim.fault('redirect', location=sim.http_url + '/elsewhere')
    assert run().outcome == 'bad_answer'
    assert [e['listener'] for e in sim.log()] == ['https'] and len(sim.connections()) == 1


# no answer at all

@pytest.mark.parametrize('kind', ['close', 'reset', 'reset_midway', 'short_body'])
def test_broken_off(run, sim, kind):
    sim.fault(kind, 'GetSessionToken')
    a = buy(run, sim)
    assert (a.outcome, a.was_sent) == ('no_answer', True), a
    assert len(sim.log()) == 1


def test_slow_ones_are_cut(build, sim):
    """Hang, drip and the like at once, for each takes as long as it may."""
    runs = {}
    for kind in ('hang', 'drip', 'drip_head'):
        sim.fault(kind, 'GetCallerIdentity')
        runs[kind] = fetch.Fetch(build.fetch, fetch.request(CALL, sim.url, sim.key(), sim.ca_file))
        wait_until(lambda n=len(runs): len(sim.log()) == n)
    sim.fault('delay', 'GetCallerIdentity', sec=TOTAL_SEC - 3)
    runs['slow'] = fetch.Fetch(build.fetch, fetch.request(CALL, sim.url, sim.key(), sim.ca_file))
    wait_until(lambda: len(sim.log()) == 4)
    sim.fault('hang', 'connect', sec=60)
    runs['no handshake'] = fetch.Fetch(build.fetch, fetch.request(CALL, sim.url, sim.key(), sim.ca_file))
    wait_until(lambda: len(sim.connections()) == 5)

    a = runs['no handshake'].answer()
    assert (a.outcome, a.was_sent) == ('tls_failed', False), a
    assert CONNECT_SEC - 0.5 < runs['no handshake'].took < CONNECT_SEC + SLACK_SEC
    assert runs['slow'].answer().outcome == 'ok', 'an answer within the time counts, however slow'
    for kind in ('hang', 'drip', 'drip_head'):
        a = runs[kind].answer()
        assert (a.outcome, a.was_sent) == ('no_answer', True), (kind, a)
        assert TOTAL_SEC - 0.5 < runs[kind].took < TOTAL_SEC + SLACK_SEC
    assert [r.end() for r in runs.values()] == [0] * 5


# before the request goes out

TLS = {'tls_self_signed': 'tls_untrusted', 'tls_unknown_ca': 'tls_untrusted', 'tls_wrong_name': 'tls_wrong_name',
       'tls_expired': 'tls_expired', 'tls_not_yet_valid': 'tls_expired', 'tls_1_1': 'tls_failed'}


@pytest.mark.parametrize('listener', sorted(TLS))
def test_bad_tls_gets_no_byte(run, sim, listener):
    a = run(fetch.GET_SESSION_TOKEN, url=sim.url_of(listener), serial=sim.serial(), code='123456')
    assert (a.outcome, a.was_sent, a.date) == (TLS[listener], False, 0), a
    record = wait_until(lambda: next((c for c in sim.connections(listener) if not c['open']), None))
    assert record['bytes'] == 0 and sim.log() == []


def test_system_authorities_only_without_ca_file(run, sim):
    a = run(ca_file='')
    assert (a.outcome, a.was_sent) == ('tls_untrusted', False), a


def test_ca_file_that_is_not_there(run, sim):
    a = run(ca_file='/nonexistent/ca.pem')
    assert (a.outcome, a.was_sent) == ('tls_failed', False), a
    assert '/nonexistent/ca.pem' in a.text


def test_name_that_does_not_resolve(run):
    a = run(url='https://x.invalid')
    assert (a.outcome, a.was_sent) == ('resolve_failed', False), a
    assert a.took < CONNECT_SEC + SLACK_SEC


def run_in_own_network(build, tmp_path, url, lines):
    """mfad-fetch in a network where only `lines` (Python) have made something. What they call `server`
    stays open, unread, as its standard input."""
    script = tmp_path / 'network'
    script.write_text(f"""
import os, socket, subprocess
subprocess.run(['ip', 'link', 'set', 'lo', 'up'], check=True)
{lines}
os.dup2(server.fileno(), 0)
os.execv('{build.fetch}', ['{build.fetch}'])
""")
    return fetch.Fetch(['unshare', '--mount', '--net', '/usr/bin/python3', str(script)],
                       fetch.encode_request(CALL, url, {}, 'Action=X'), {'PATH': os.environ['PATH']})


@pytest.mark.root
def test_resolver_that_does_not_answer(build, tmp_path):
    resolv = tmp_path / 'resolv.conf'
    resolv.write_text('nameserver 127.0.0.1\n')
    one = run_in_own_network(build, tmp_path, 'https://sts.eu-west-1.amazonaws.com/', f"""
subprocess.run(['mount', '--bind', '{resolv}', '/etc/resolv.conf'], check=True)
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(('127.0.0.1', 53))
""")
    a = one.answer()
    assert (a.outcome, a.was_sent) == ('resolve_failed', False), a
    assert CONNECT_SEC - 0.5 < one.took < CONNECT_SEC + SLACK_SEC
    assert one.end(timeout=1) == 0, 'the resolver held it'


@pytest.mark.root
def test_plain_http_never_leaves_this_machine(build, tmp_path):
    """As if a name that looked like this machine's had another address."""
    one = run_in_own_network(build, tmp_path, 'http://192.0.2.1:8080/', """
subprocess.run(['ip', 'address', 'add', '192.0.2.1/32', 'dev', 'lo'], check=True)
server = socket.create_server(('192.0.2.1', 8080))
""")
    a = one.answer()
    assert (a.outcome, a.was_sent) == ('connect_failed', False), a
    assert one.took < SLACK_SEC and one.end() == 0


def test_nobody_listens(run):
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        a = run(url=f'https://localhost:{s.getsockname()[1]}')
    assert (a.outcome, a.was_sent) == ('connect_failed', False), a


def test_reset_during_handshake(run, sim):
    sim.fault('reset', 'connect')
    a = run()
    assert (a.outcome, a.was_sent) == ('tls_failed', False), a


@pytest.mark.parametrize('url', ['ftp://127.0.0.1', 'file:///etc/passwd', 'gopher://127.0.0.1:70'])
def test_no_other_protocol(run, url):
    a = run(packet=fetch.encode_request(CALL, url + '/', {}, 'Action=X'))
    assert (a.outcome, a.was_sent) == ('bad_answer', False), a


# the environment, the parent, the limits

def test_environment_has_no_effect(run, sim, tmp_path):
    keys = tmp_path / 'keys'
    evil = tmp_path / 'openssl.cnf'
    evil.write_text('openssl_conf = main\n[main]\nssl_conf = ssl\n[ssl]\nsystem_default = none\n'
                    '[none]\nMinProtocol = TLSv1.3\nMaxProtocol = TLSv1.1\n')
    home = tmp_path / 'home'
    home.mkdir()
    (home / '.netrc').write_text('machine localhost login a password b\n')
    a = run(environment={
        'SSLKEYLOGFILE': str(keys), 'OPENSSL_CONF': str(evil), 'http_proxy': 'http://127.0.0.1:1',
        'https_proxy': 'http://127.0.0.1:1', 'ALL_PROXY': 'socks5://127.0.0.1:1', 'HOME': str(home),
        'SSL_CERT_FILE': '/nonexistent', 'SSL_CERT_DIR': '/nonexistent', 'CURL_CA_BUNDLE': '/nonexistent',
        'RES_OPTIONS': 'timeout:30', 'LOCALDOMAIN': 'example', 'LC_ALL': 'de_DE.UTF-8', 'TZ': 'Asia/Tokyo'})
    assert a.outcome == 'ok', a
    assert not keys.exists()
    assert abs(a.date - time.time()) < 3


def test_only_one_copy_of_each_header(run, sim):
    """An HTTP/1.1 client of any other kind would have added Accept or Expect."""
    run()
    names = [name.lower() for name, _ in sim.log()[0]['headers']]
    assert len(names) == len(set(names))


@pytest.mark.parametrize('packet', [b'', b'\x00', b'\x09' * 40, b'\x01' + b'\xff' * 20, b'\x03' * 65000])
def test_no_request(build, packet):
    """mfad must hear that the code was not used up."""
    one = fetch.Fetch(build.fetch, packet, stderr=subprocess.DEVNULL)
    a = one.answer()
    assert (a.outcome, a.was_sent) == ('internal', False)
    assert one.end() == 0


def test_parent_that_goes_away(build):
    one = fetch.Fetch(build.fetch, None, stderr=subprocess.DEVNULL)
    one.socket.close()
    assert one.process.wait(5) == 1


def test_has_no_options(build):
    one = subprocess.run([build.fetch, '--help'], capture_output=True, text=True, check=False)
    assert one.returncode == 2 and 'started by mfad' in one.stderr


def limits_of(pid):
    with open(f'/proc/{pid}/limits', encoding='ascii') as f:
        return {line[:26].strip(): line[26:].split()[:2] for line in f}


@pytest.mark.sanitizers_no
def test_limits_while_it_runs(build, sim):
    sim.fault('hang', 'GetCallerIdentity', sec=5)
    one = fetch.Fetch(build.fetch, fetch.request(CALL, sim.url, sim.key(), sim.ca_file),
                      {'MARKER': 'x', 'PATH': '/bin'})
    wait_until(lambda: len(sim.log()) == 1)
    pid = one.process.pid
    limits = limits_of(pid)
    assert limits['Max address space'] == ['268435456', '268435456']
    assert limits['Max cpu time'] == ['5', '5'] and limits['Max core file size'][0] == '0'
    with open(f'/proc/{pid}/status', encoding='ascii') as f:
        status = dict(line.split(':', 1) for line in f)
    assert int(status['VmRSS'].split()[0]) < 20 * 1024
    one.process.kill()
    assert one.end() == -9


def test_signals_of_the_parent_do_not_stay_blocked(build):
    """mfad blocks signals for its event loop; the alarm must end us all the same. No request is sent
    here, so only the alarm can: it is looked for in the process's state, not waited for."""
    def blocking(one):
        with open(f'/proc/{one.process.pid}/status', encoding='ascii') as f:
            return int(next(line for line in f if line.startswith('SigBlk')).split()[1], 16)

    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM, signal.SIGTERM])
    try:
        one = fetch.Fetch(build.fetch, None)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGALRM, signal.SIGTERM])
    assert wait_until(lambda: blocking(one) == 0)
    one.process.kill()
    one.end()


@pytest.mark.sanitizers_no
def test_huge_answer_costs_no_memory(build, sim):
    sim.fault('huge', 'GetCallerIdentity')
    one = fetch.Fetch(build.fetch, fetch.request(CALL, sim.url, sim.key(), sim.ca_file))
    peak = []
    done = threading.Event()

    def watch():
        while not done.is_set():
            try:
                with open(f'/proc/{one.process.pid}/status', encoding='ascii') as f:
                    peak.extend(int(line.split()[1]) for line in f if line.startswith('VmHWM'))
            except OSError:
                return
    thread = threading.Thread(target=watch)
    thread.start()
    a = one.answer()
    done.set()
    thread.join()
    assert a.outcome == 'bad_answer' and one.end() == 0
    assert max(peak) < 20 * 1024


def curl_sec(sim):
    began = time.monotonic()
    subprocess.run(['curl', '--silent', '--output', '/dev/null', '--cacert', sim.ca_file, sim.url], check=True)
    return time.monotonic() - began


@pytest.mark.sanitizers_no
def test_speed(run, sim):
    """Starting a process for each call must not cost the user anything that he could notice: it is beside another one."""
    took, beside = zip(*((run().took, curl_sec(sim)) for _ in range(15)))
    assert min(took) < 2 * min(beside) + 0.01, (took, beside)


def test_packet_layout_is_the_one_of_the_header():
    """A guard for the driver itself: its encoder writes what fetch_proto.h says."""
    packet = fetch.encode_request(3, 'https://a/', {'X': 'y'}, 'b', '/c', 'http://d:1')
    assert packet == b'\x03' + b''.join(struct.pack('<I', len(p)) + p for p in (
        b'https://a/', b'X: y\n', b'b', b'/c', b'http://d:1'))
