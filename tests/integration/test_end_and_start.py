"""The seams of a restart: a code that is under way at the end, and a signer that is not ready at the start."""
import os
import signal
import threading
import time

from mfadtest import client
from mfadtest.processes import wait_until
from test_restart import has_file, is_back

# an end while a code is under way

def unlock_slowly(stack, sec):
    """(the thread, what mfactl says) of an unlock that AWS answers after @sec."""
    said = []
    stack.open_vault()
    stack.simulator.fault('delay', 'GetSessionToken', sec=sec)
    code = stack.simulator.fresh_code() + '\n'
    thread = threading.Thread(target=lambda: said.append(stack.mfactl('unlock', '--code-stdin', stdin=code)))
    thread.start()
    wait_until(lambda: any(s['state'] == 'unlocking' for s in stack.status()['sessions']))
    return thread, said


def test_a_stop_waits_for_what_a_code_buys(stack):
    thread, said = unlock_slowly(stack, 1)
    began = time.monotonic()
    assert stack.front.terminate() is None
    assert time.monotonic() - began < 4
    thread.join()
    assert said[0].code == client.OK and 'unlocked until' in said[0].out, said
    stack.front.start()
    assert is_back(stack)
    assert len(stack.posts()) == 1


def test_a_stop_does_not_wait_for_ever(stack):
    thread, said = unlock_slowly(stack, 60)
    began = time.monotonic()
    assert stack.front.terminate() is None
    assert 3 < time.monotonic() - began < 8  # TimeoutStopSec=
    thread.join()
    assert said[0].code != client.OK
    assert 'may be used up' in said[0].err, said
    stack.front.start()
    assert stack.get().status == 403


def test_a_second_signal_does_not_wait(stack):
    thread, _ = unlock_slowly(stack, 60)
    began = time.monotonic()
    os.kill(stack.front.pid, signal.SIGTERM)
    wait_until(lambda: 'ending when AWS has answered' in stack.front.log())
    assert stack.front.terminate() is None
    assert time.monotonic() - began < 2
    thread.join()


def test_a_lock_while_it_ends_is_a_lock_and_an_end(stack):
    thread, _ = unlock_slowly(stack, 60)
    os.kill(stack.front.pid, signal.SIGTERM)
    wait_until(lambda: 'ending when AWS has answered' in stack.front.log())
    began = time.monotonic()
    assert stack.mfactl('lock').code == client.OK
    wait_until(lambda: not stack.front.is_running(), what='the end of the new image')
    assert time.monotonic() - began < 2
    thread.join()
    assert not has_file(stack)


# a signer that is not ready

def test_a_signer_that_hangs_delays_the_start_by_less_than_a_second(unlocked):
    unlocked.front.kill()
    os.kill(unlocked.signer.pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        unlocked.front.start()
        waited = time.monotonic() - began
        answer = unlocked.get()
        assert (answer.status, answer.code) == (503, 'MfadPending')
        wait_until(lambda: unlocked.get().status == 403, sec=10, what='a final answer')
        assert unlocked.get().code == 'MfadLocked'
    finally:
        os.kill(unlocked.signer.pid, signal.SIGCONT)
    assert 0.5 < waited < 5, waited
    wait_until(lambda: is_back(unlocked), what='the session comes back when the signer answers')


def test_while_the_signer_starts_nobody_hears_a_final_no(unlocked):
    """It opens the vault with a passphrase credential before it serves, which may take seconds."""
    heard = []
    unlocked.front.kill()
    os.kill(unlocked.signer.pid, signal.SIGSTOP)
    try:
        unlocked.front.start()
        end = time.monotonic() + 2
        while time.monotonic() < end:
            heard.append(unlocked.get().status)
        waiting = threading.Thread(target=lambda: heard.append(unlocked.get().status))
        began = time.monotonic()
        waiting.start()
        time.sleep(0.05)
    finally:
        os.kill(unlocked.signer.pid, signal.SIGCONT)
    waiting.join()
    assert time.monotonic() - began < 0.7, 'it waited for as long as a request may'
    assert heard[:-1] and set(heard[:-1]) == {503}
    assert heard[-1] == 200, 'it was not told when the session was back'
    assert len(unlocked.posts()) == 1
