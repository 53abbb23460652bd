"""Why a test may be left out under --all-clients: for what the kernel is, never for what is not installed. It wants a
machine where root may do everything; in most containers root may not."""
import os
import re

MACHINE = re.compile(r'means nothing in a build with sanitizers|this kernel |no IPv6 |too few descriptors allowed|'
                     r'this machine was started a moment ago|it tells its user nothing at all')
ROOT = re.compile(r'\broot\b|\banother uid\b')
collected = []  # the reason of each test that was left out


def is_fine(reason):
    return bool(MACHINE.match(reason) or (os.geteuid() != 0 and ROOT.search(reason)))


def judge(report, is_all):
    """Makes a failure of @report, a pytest.TestReport, if it tells of a test that must not be left out."""
    if not report.skipped or hasattr(report, 'wasxfail'):
        return
    reason = report.longrepr[2].removeprefix('Skipped: ')
    if is_all and not is_fine(reason):
        report.outcome = 'failed'
        report.longrepr = f'left out, which --all-clients does not allow: {reason}'
    else:
        collected.append(reason)


def tell():
    """To the file that `./run` counts them in."""
    path = os.environ.get('MFAD_TEST_SKIPPED')
    if path:
        with open(path, 'a', encoding='utf-8') as f:
            f.writelines(reason.replace('\n', ' ') + '\n' for reason in collected)
