"""What mfad costs while nobody asks for anything."""
import os
import time

import pytest

PSS_MAX_KIB = 12 * 1024  # of all programs together, with the session unlocked
IDLE_SEC = 5


def programs(stack):
    """mfad, mfad-signer, and the child that mfad names callers with."""
    folder = os.path.dirname(stack.build.front)
    found = []
    for entry in os.listdir('/proc'):
        try:
            if not entry.isdigit() or os.path.dirname(os.readlink(f'/proc/{entry}/exe')) != folder:
                continue
            with open(f'/proc/{entry}/stat', encoding='ascii') as f:
                pid, parent = int(entry), int(f.read().rsplit(')', 1)[1].split()[1])
        except OSError:
            continue
        if pid in (stack.front.pid, stack.signer.pid) or is_child_of_front(stack, pid, parent):
            found.append(pid)
    return found


def is_child_of_front(stack, pid, parent):
    """mfad-peers has left mfad's family, but not its process group's session."""
    return parent == stack.front.pid or os.getsid(pid) == os.getsid(stack.front.pid)


def pss_kib(pid):
    with open(f'/proc/{pid}/smaps_rollup', encoding='ascii') as f:
        return next(int(line.split()[1]) for line in f if line.startswith('Pss:'))


def wakeups(pid):
    with open(f'/proc/{pid}/status', encoding='ascii') as f:
        return sum(int(line.split()[1]) for line in f if 'ctxt_switches' in line)


@pytest.mark.root
@pytest.mark.sanitizers_no
def test_idle(unlocked):
    assert unlocked.get().status == 200
    time.sleep(6)  # until the connection and what was put off have ended
    running = programs(unlocked)
    assert len(running) >= 2
    pss = {pid: pss_kib(pid) for pid in running}
    print('PSS in KiB', pss)
    assert sum(pss.values()) < PSS_MAX_KIB, pss
    before = {pid: wakeups(pid) for pid in running}
    time.sleep(IDLE_SEC)
    woken = {pid: wakeups(pid) - before[pid] for pid in running}
    assert not any(woken.values()), woken
