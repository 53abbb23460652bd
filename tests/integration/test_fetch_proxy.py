"""mfad-fetch through a proxy: what it shows the proxy, what counts as sent, and whose fault a failure is."""
import base64
import socket
import time

import pytest
from awssim.client import AwsSim
from mfadtest import fetch
from mfadtest.processes import wait_until
from mfadtest.proxy import Proxy

STS = 'https://sts.us-east-1.amazonaws.com'  # the simulator's certificate is good for it
CONNECT_SEC, SLACK_SEC = 5, 3


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
def run(request, sim, tmp_path):
    """run(proxy, ...): one GetSessionToken, which carries a code. Standard error must stay empty."""
    program = request.config.getoption('--build-dir') + '/daemon/mfad-fetch'

    def call(proxy, url=STS, **more):
        packet = fetch.request(fetch.GET_SESSION_TOKEN, url, sim.key(), sim.ca_file, serial=sim.serial(),
                               code=sim.fresh_code(), proxy=proxy, **more)
        with open(tmp_path / 'stderr', 'wb') as stderr:
            one = fetch.Fetch(program, packet, stderr=stderr)
            answer = one.answer()
        assert one.end() == 0
        assert (tmp_path / 'stderr').read_text() == ''
        answer.took = one.took
        return answer
    return call


def test_through_the_proxy(run, sim):
    with Proxy(sim.ports['https']) as proxy:
        a = run(proxy.url)
    assert (a.outcome, a.was_sent, a.http_status) == ('ok', True, 200), a
    assert abs(a.date - time.time()) < 3 and a.is_date_verified, "the proxy's Date was taken"
    assert sim.log()[0]['host'] == 'sts.us-east-1.amazonaws.com'
    head, = proxy.heads
    lines = head.decode().split('\r\n')
    assert lines[0] == 'CONNECT sts.us-east-1.amazonaws.com:443 HTTP/1.1'
    names = {line.split(':')[0].lower() for line in lines[1:] if line}
    assert names == {'host', 'user-agent', 'proxy-connection'}, 'our headers are for AWS only'
    assert {name.lower() for name, _ in sim.log()[0]['headers']} == {
        'host', 'user-agent', 'content-type', 'x-amz-date', 'authorization', 'content-length'}


@pytest.mark.parametrize('shown,user', [('me:secret', 'me:secret'), ('me:p%40ss%3A%25', 'me:p@ss:%'), ('me:', 'me:')])
def test_user_and_password(run, sim, shown, user):
    coded = base64.b64encode(user.encode()).decode()
    with Proxy(sim.ports['https'], user=coded) as proxy:
        a = run(proxy.url.replace('//', f'//{shown}@'))
    assert a.outcome == 'ok', a
    assert 'roxy-' not in str(sim.log()[0]['headers']), 'the password went on to AWS'


def test_wrong_password(run, sim):
    with Proxy(sim.ports['https'], user='other') as proxy:
        a = run(proxy.url.replace('//', '//me:SECRETWORD@'))
    assert (a.outcome, a.was_sent, a.http_status) == ('connect_failed', False, 0), a
    assert a.text == 'the proxy answers 407'
    assert proxy.forwarded == 0 and sim.connections() == []


@pytest.mark.parametrize('status', [100, 302, 401, 403, 407, 500, 502, 503])
def test_proxy_refuses(run, sim, status):
    reply = (f'HTTP/1.1 {status} No\r\nDate: Mon, 01 Jan 2001 00:00:00 GMT\r\nLocation: http://127.0.0.1:1/\r\n'
             'Content-Length: 3\r\n\r\n<a>')
    with Proxy(sim.ports['https'], reply=reply.encode()) as proxy:
        a = run(proxy.url)
    assert (a.outcome, a.was_sent, a.http_status, a.date, a.creds) == ('connect_failed', False, 0, 0, None), a
    assert a.text == f'the proxy answers {status}'
    assert len(proxy.heads) == 1 and sim.connections() == []


@pytest.mark.parametrize('reply', [b'', b'SSH-2.0-OpenSSH_9.2\r\n\r\n', b'HTTP/1.1 200', b'\x15\x03\x01\x00\x02\x02\x28',
                                   b'HTTP/1.1 200 OK\r\nX: ' + b'a' * 200000])
def test_proxy_that_is_none(run, sim, reply):
    with Proxy(sim.ports['https'], reply=reply) as proxy:
        a = run(proxy.url.replace('//', '//me:SECRETWORD@'))
    assert (a.outcome, a.was_sent, a.date) == ('connect_failed', False, 0), a
    assert a.text.startswith('no way through the proxy: ') and 'SECRETWORD' not in a.text
    assert sim.connections() == []


def test_proxy_lets_through_and_hangs_up(run, sim):
    """The handshake has begun, the request has not gone out."""
    with Proxy(sim.ports['https'], reply=b'HTTP/1.1 200 OK\r\n\r\n') as proxy:
        a = run(proxy.url)
    assert (a.outcome, a.was_sent, a.http_status) == ('tls_failed', False, 0), a


def test_silent_proxy(run, sim):
    with Proxy(sim.ports['https'], silent=True) as proxy:
        a = run(proxy.url)
        assert len(proxy.heads) == 1, 'the test is about what happens after CONNECT went out'
    assert (a.outcome, a.was_sent) == ('connect_failed', False), a
    assert a.text.startswith('no way through the proxy: ')
    assert CONNECT_SEC - 0.5 < a.took < CONNECT_SEC + SLACK_SEC


def test_nobody_is_the_proxy(run, sim):
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        a = run(f'http://me:SECRETWORD@127.0.0.1:{s.getsockname()[1]}')
    assert (a.outcome, a.was_sent) == ('connect_failed', False), a
    assert a.text.startswith('no way through the proxy: ') and 'SECRETWORD' not in a.text


def test_proxy_without_address(run):
    a = run('http://me:SECRETWORD@x.invalid:3128')
    assert (a.outcome, a.was_sent) == ('resolve_failed', False), a
    assert a.text.startswith('no way through the proxy: ') and 'SECRETWORD' not in a.text


@pytest.mark.parametrize('listener,outcome', [
    ('tls_unknown_ca', 'tls_untrusted'), ('tls_wrong_name', 'tls_wrong_name'), ('tls_expired', 'tls_expired')])
def test_proxy_that_looks_inside(run, sim, listener, outcome):
    """A proxy that ends TLS itself has to be trusted by ca_bundle, or gets no byte."""
    with Proxy(sim.ports[listener]) as proxy:
        a = run(proxy.url)
    assert (a.outcome, a.was_sent) == (outcome, False), a
    assert 'proxy' not in a.text
    record = wait_until(lambda: next((c for c in sim.connections(listener) if not c['open']), None))
    assert record['bytes'] == 0 and sim.log() == []


@pytest.mark.parametrize('kind', ['close', 'reset', 'reset_midway', 'short_body'])
def test_broken_off_behind_the_proxy(run, sim, kind):
    sim.fault(kind, 'GetSessionToken')
    with Proxy(sim.ports['https']) as proxy:
        a = run(proxy.url)
    assert (a.outcome, a.was_sent) == ('no_answer', True), a
    assert 'proxy' not in a.text and len(sim.log()) == 1


def test_refused_behind_the_proxy(run, sim):
    sim.fault('throttle', 'GetSessionToken')
    with Proxy(sim.ports['https']) as proxy:
        a = run(proxy.url)
    assert (a.outcome, a.was_sent, a.http_status, a.aws_code) == ('aws_error', True, 400, 'Throttling')


@pytest.mark.parametrize('form', ['https://localhost:{https}', 'https://127.0.0.1:{https}',
                                  'http://127.0.0.1:{http}'])
def test_this_machine_needs_no_proxy(run, sim, form):
    with Proxy(sim.ports['https']) as proxy:
        a = run(proxy.url, url=form.format(**sim.ports))
    assert a.outcome == 'ok', a
    assert proxy.heads == []


@pytest.mark.parametrize('proxy', ['socks5://127.0.0.1:1', 'http://127.0.0.1', '127.0.0.1:3128', 'https://127.0.0.1:3128',
                                   'http://a b@127.0.0.1:3128', 'http://127.0.0.1:3128/x'])
def test_illegal_proxy_is_no_request(request, sim, proxy):
    program = request.config.getoption('--build-dir') + '/daemon/mfad-fetch'
    packet = fetch.request(fetch.GET_CALLER_IDENTITY, STS, sim.key(), sim.ca_file, proxy=proxy)
    one = fetch.Fetch(program, packet, stderr=-3)
    a = one.answer()
    assert (a.outcome, a.was_sent) == ('internal', False) and one.end() == 0
    assert sim.connections() == []
