"""One code, one call; one call, everybody's answer."""
import subprocess
import threading

import pytest
from mfadtest import client, web
from mfadtest.processes import wait_until
from mfadtest.varlink import VarlinkError


def test_fifty_unlocks_with_one_code_are_one_post(open_stack):
    """Fifty processes, not fifty threads of one: as a user's shells would."""
    open_stack.simulator.fault('delay', 'GetSessionToken', sec=2)
    code = open_stack.simulator.fresh_code()
    environment = {**open_stack.sanitizer_environment(), **open_stack.environment}
    running = [subprocess.Popen([open_stack.build.mfactl, 'unlock', '--code-stdin'], env=environment,
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True) for _ in range(50)]
    results = []
    threads = [threading.Thread(target=lambda p=p: results.append((p, p.communicate(code + '\n', 60))))
               for p in running]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert [p.returncode for p, _ in results] == [client.OK] * 50, [r for p, r in results if p.returncode]
    assert len([p for p in open_stack.posts() if p['code'] == code]) == 1
    assert len(open_stack.posts()) == 1


def test_another_code_meanwhile_is_busy(open_stack):
    open_stack.simulator.fault('delay', 'GetSessionToken', sec=2)
    code = open_stack.simulator.fresh_code()
    with open_stack.control() as c:
        c.send('Unlock', code=code)
        wait_until(lambda: open_stack.posts())
        assert open_stack.unlock_error(f'{(int(code) + 1) % 1000000:06d}').name == 'Busy'
        done = open_stack.mfactl('unlock', '--code-stdin', stdin='123456\n')
        assert done.code == client.BUSY, done
        c.receive()
    assert len(open_stack.posts()) == 1


def in_flight(stack, sec, code=None):
    """Starts an unlock whose answer takes @sec; returns its open connection."""
    stack.simulator.fault('delay', 'GetSessionToken', sec=sec)
    connection = stack.control()
    connection.send('Unlock', code=code or stack.simulator.fresh_code())
    wait_until(lambda: stack.posts())
    return connection


@pytest.mark.alone
def test_500_gets_while_unlocking_slow_sts_are_pending(open_stack):
    with in_flight(open_stack, 4) as c:
        answers = web.get_many(open_stack.port, open_stack.token, 500)
        assert [a.status for a in answers] == [503] * 500, {a.status for a in answers}
        assert {a.code for a in answers} == {'MfadPending'}
        slack = 3 if open_stack.build.is_sanitized else 1
        assert min(a.sec for a in answers) >= 0.7
        assert max(a.sec for a in answers) < 0.8 + slack, max(a.sec for a in answers)
        c.receive()
    assert len(open_stack.posts()) == 1
    assert {a.status for a in web.get_many(open_stack.port, open_stack.token, 500)} == {200}


@pytest.mark.alone
def test_500_gets_while_unlocking_fast_sts_get_credentials(open_stack):
    with in_flight(open_stack, 0.6) as c:
        answers = web.get_many(open_stack.port, open_stack.token, 500)
        c.receive()
    statuses = [a.status for a in answers]
    assert set(statuses) <= {200, 503} and statuses.count(200) >= 450, statuses
    assert {a.code for a in answers if a.status == 503} <= {'MfadPending'}
    assert len(open_stack.posts()) == 1


@pytest.mark.alone
def test_500_gets_while_an_unlock_fails_hear_why(open_stack):
    wrong = f'{(int(open_stack.simulator.totp()) + 1) % 1000000:06d}'
    with in_flight(open_stack, 0.4, wrong) as c:
        answers = web.get_many(open_stack.port, open_stack.token, 500)
        with pytest.raises(VarlinkError):
            c.receive()
    assert {a.status for a in answers} == {403}
    assert len(open_stack.posts()) == 1


@pytest.mark.alone
def test_renewal_in_flight_holds_nobody(unlocked):
    unlocked.simulator.options(clock_offset=30)
    unlocked.simulator.fault('delay', 'GetSessionToken', sec=4)
    with unlocked.control() as c:
        c.send('Unlock', code=unlocked.simulator.totp())
        wait_until(lambda: len(unlocked.posts()) == 2)
        answers = web.get_many(unlocked.port, unlocked.token, 100)
        # whoever is held is told 503 after 0.8 s
        assert {a.status for a in answers} == {200}
        assert max(a.sec for a in answers) < 3
        c.receive()


def test_a_client_that_leaves_does_not_stop_the_call(open_stack):
    in_flight(open_stack, 1).close()
    wait_until(lambda: open_stack.status()['state'] == 'unlocked')
    assert open_stack.get().status == 200
