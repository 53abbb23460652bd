"""What mfad costs while nobody asks for anything: the units as they are shipped, in a real user manager."""
import contextlib
import os
import time

import pytest
from mfadtest.manager import inside
from mfadtest.processes import wait_until

PSS_MAX_KIB = 12 * 1024  # of all programs together, with a session and a role
IDLE_SEC = 40            # more than two rounds of mfad's watchdog, and one of mfad-signer's
UNITS = {'mfad': 'mfad.service', 'mfad-signer': 'mfad-signer.service', 'mfad-peers': None}  # no service of its own

pytestmark = [pytest.mark.root, pytest.mark.sanitizers_no]


def programs():
    """{name: pid}: all of ours that run in this namespace of processes."""
    found = []
    for pid in filter(str.isdigit, os.listdir('/proc')):
        with contextlib.suppress(OSError), open(f'/proc/{pid}/comm', encoding='ascii') as f:
            found.append((f.read().rstrip('\n'), int(pid)))
    ours = sorted(entry for entry in found if entry[0].startswith('mfa'))
    assert [name for name, _ in ours] == sorted(UNITS), ours
    return dict(ours)


def pss_kib():
    found = {}
    for name, pid in programs().items():
        with open(f'/proc/{pid}/smaps_rollup', encoding='ascii') as f:
            found[name] = next(int(line.split()[1]) for line in f if line.startswith('Pss:'))
    return found


def wakeups(pid):
    """How often it went to sleep; to be interrupted by others while it works is none of its doing."""
    with open(f'/proc/{pid}/status', encoding='ascii') as f:
        return next(int(line.split()[1]) for line in f if line.startswith('voluntary_ctxt_switches:'))


class Counted:
    """The wake-ups of one program, and the pings of its watchdog, which the manager counts by their times."""

    def __init__(self, stack, pid, unit):
        self.stack, self.pid, self.unit = stack, pid, unit
        self.times = set()
        self.at_first = self.look()

    def ping(self):
        return self.unit and self.stack.show('WatchdogTimestampMonotonic', self.unit)

    def look(self):
        """Both as they were at one moment."""
        def both():
            count, time_of = wakeups(self.pid), self.ping()
            time.sleep(0.05)
            return (wakeups(self.pid), self.ping()) == (count, time_of) and (count, time_of)
        count, time_of = wait_until(both, what=f'a moment of rest of {self.pid}')
        self.times.add(time_of)
        return count

    def since(self):
        """(wake-ups, pings)"""
        return self.look() - self.at_first, len(self.times) - 1


def idle(stack):
    """{program: (wake-ups, pings)} of IDLE_SEC."""
    counted = {name: Counted(stack, pid, UNITS[name]) for name, pid in programs().items()}
    end = time.monotonic() + IDLE_SEC
    while time.monotonic() < end:
        time.sleep(3)  # no two pings are closer than 15 s
        for one in counted.values():
            one.times.add(one.ping())
    return {name: one.since() for name, one in counted.items()}


def test_idle(manager):
    @inside
    def wake_for_pings_only(stack):
        stack.write_profiles({'dev': {'role_arn': 'arn:aws:iam::123456789012:role/dev', 'source_profile': 'default'}})
        stack.start().unlocked()
        assert stack.get().status == stack.get_profile('dev').status == 200
        time.sleep(7)  # until connections and what was put off have ended
        found = idle(stack)
        print('wake-ups and pings', found)
        # to wait for a page that the kernel has dropped for others counts as well
        assert all(pings <= woken <= pings + 2 for woken, pings in found.values()), found
        assert found['mfad'][1] >= 1, 'the watchdog does not run: this is not what is shipped'

    wake_for_pings_only(manager)
    pss = manager.call(pss_kib, as_root=True)
    print('PSS in KiB', pss)
    assert sum(pss.values()) < PSS_MAX_KIB, pss
