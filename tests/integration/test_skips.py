"""Under --all-clients nothing is left out for want of a program: see mfadtest/skips.py."""
import types

import pytest
from mfadtest import skips

CASES = [  # reason, who runs the tests, may it be left out?
    ('no fish here', 0, False), ('no /usr/bin/aws', 0, False), ('no /usr/bin/aws', 1000, False),
    ('needs dbus, python3-dbus and python3-gi', 0, False), ('no journalctl here', 0, False),
    ('with-user-manager: systemd is not installed', 0, False), ('boot-test: skipped: no systemd-nspawn', 0, False),
    ('needs root with CAP_SYS_PTRACE', 0, False), ('needs root with CAP_SYS_PTRACE', 1000, True),
    ('with-user-manager: needs root', 1000, True), ('only root can be another user', 1000, True),
    ('needs another uid', 1000, True),
    ('this kernel refuses no files', 0, True), ('no IPv6 loopback here: x', 0, True),
    ('means nothing in a build with sanitizers', 0, True),
]


@pytest.fixture
def judged(monkeypatch):
    """judged(reason, is_all, uid): the report of a test that was left out, and whether it counts as such."""
    def judge(reason, is_all, uid):
        monkeypatch.setattr(skips, 'collected', [])
        monkeypatch.setattr(skips.os, 'geteuid', lambda: uid)
        report = types.SimpleNamespace(skipped=True, outcome='skipped', longrepr=('test.py', 1, f'Skipped: {reason}'))
        skips.judge(report, is_all)
        monkeypatch.undo()
        return report

    return judge


@pytest.mark.parametrize('reason, uid, is_fine', CASES)
def test_what_may_be_left_out(judged, reason, uid, is_fine):
    assert judged(reason, True, uid).outcome == ('skipped' if is_fine else 'failed')
    assert judged(reason, False, uid).outcome == 'skipped'


def test_the_failure_says_why(judged):
    assert judged('no fish here', True, 0).longrepr.endswith('does not allow: no fish here')
