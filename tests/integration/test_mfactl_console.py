"""mfactl console: where the address goes, and where it never goes."""
import html
import os
import re
import signal
import stat
import subprocess

import pytest
from mfadtest import client
from mfadtest.fake import CONSOLE_URL, FakeError
from mfadtest.processes import wait_until

TOKEN = CONSOLE_URL.rsplit('=', 1)[1]


@pytest.fixture
def browser(fake):
    """An xdg-open of ours, first in PATH: it notes how it was called and what it was given."""
    folder = os.path.join(fake.home, 'bin')
    os.mkdir(folder)
    fake.environment['PATH'] = f'{folder}:/usr/bin:/bin'

    def install(then='exit 0'):
        fake.write('bin/xdg-open', '#!/bin/sh\n{ tr "\\0" " " </proc/$$/cmdline; env; umask; } >"$HOME/seen"\n'
                   f'stat -c "%a %n" "$1" >"$HOME/mode"\ncat "$1" >"$HOME/page"\n{then}\n', 0o755)

    install()
    return install


def read(fake, name):
    with open(os.path.join(fake.home, name), encoding='utf-8') as f:
        return f.read()


def pages(fake):
    return [name for name in os.listdir(fake.sockets) if name.endswith('.html')]


def test_address_alone_on_stdout(fake):
    done = fake.mfactl('console', '--profile', 'prod', '--destination', 'https://console.aws.amazon.com/s3/')
    assert (done.code, done.out, done.err) == (client.OK, CONSOLE_URL + '\n', ''), done
    assert fake.called('Control.GetConsoleUrl') == [
        {'profile': 'prod', 'destination': 'https://console.aws.amazon.com/s3/'}]
    assert fake.mfactl('console').code == client.OK and fake.called('Control.GetConsoleUrl')[1] == {}


def test_what_the_address_is_worth_is_said_to_people(fake):
    t = fake.terminal('console')
    assert t.until('15 minutes').wait() == client.OK and TOKEN in t.screen


def test_a_key_has_no_console(fake):
    fake.answers['Control.GetConsoleUrl'] = FakeError('NotARole', message='the profile "work" is a key')
    done = fake.mfactl('console')
    assert done.code == client.FAILURE and done.out == '' and 'mfactl profiles' in done.err, done


@pytest.mark.parametrize('url', [None, 7, '', 'javascript:alert(1)', 'file:///etc/passwd', 'http://evil/x',
                                 'https://a b', 'https://a\x1b[2J', 'https://a\nb', 'https://é'])
def test_what_is_no_address_goes_nowhere(fake, browser, url):
    fake.answers['Control.GetConsoleUrl'] = {'url': url}
    for arguments in (['console'], ['console', '--open']):
        done = fake.mfactl(*arguments)
        assert done.code == client.FAILURE and done.out == '', done
    assert not os.path.exists(os.path.join(fake.home, 'seen'))


def test_open_shows_the_token_to_the_browser_only(fake, browser):
    evil = CONSOLE_URL + '&a="<script>alert(1)</script>\'&amp;'
    fake.answers['Control.GetConsoleUrl'] = {'url': evil}
    done = fake.mfactl('console', '--open')
    assert done.code == client.OK and 'opened' in done.out, done
    assert TOKEN not in done.out + done.err + read(fake, 'seen')
    page = read(fake, 'page')
    assert html.unescape(re.search(r'content="0;url=([^"]*)"', page).group(1)) == evil
    assert page.count('<') == 6 and '<script' not in page
    mode, path = read(fake, 'mode').split()
    assert mode == '600' and os.path.dirname(path) == fake.sockets
    assert stat.S_IMODE(os.stat(fake.sockets).st_mode) == 0o700


def test_page_is_removed(fake, browser):
    """By a process of its own, as a browser may read it late; at once when there is no browser."""
    assert fake.mfactl('console', '--open').code == client.OK
    assert len(pages(fake)) == 1
    wait_until(lambda: not pages(fake), 45, what='the page gone')
    browser('exit 3')
    done = fake.mfactl('console', '--open')
    assert done.code == client.FAILURE and 'no browser' in done.err and '--open' in done.err, done
    assert pages(fake) == []


def test_page_is_removed_after_control_c(fake, browser):
    browser('exec sleep 30')
    process = subprocess.Popen([fake.mfactl_path, 'console', '--open'], env=fake.environment, start_new_session=True)
    wait_until(lambda: os.path.exists(os.path.join(fake.home, 'page')), 10, what='the browser')
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == -signal.SIGINT and len(pages(fake)) == 1
    wait_until(lambda: not pages(fake), 45, what='the page gone')


def test_an_error_stands_on_a_line_of_its_own(fake):
    fake.answers['Control.GetConsoleUrl'] = FakeError('Locked', message='locked. Run: mfactl unlock')
    terminal = fake.terminal('console')
    assert terminal.wait() == client.LOCKED
    assert terminal.screen.splitlines() == ['asking AWS ...', 'mfactl: locked. Run: mfactl unlock'], terminal.screen


def test_open_without_xdg_open(fake):
    fake.environment['PATH'] = '/nonexistent'
    done = fake.mfactl('console', '--open')
    assert done.code == client.FAILURE and 'xdg-utils' in done.err and pages(fake) == [], done


def test_a_browser_that_stays_is_not_waited_for(fake, browser):
    browser('exec sleep 20')
    done = fake.mfactl('console', '--open')
    assert done.code == client.OK and done.sec < 15, done


def test_browser_gets_back_what_we_gave_up(fake, browser):
    old = os.umask(0o027)
    try:
        assert fake.mfactl('console', '--open').code == client.OK
    finally:
        os.umask(old)
    assert read(fake, 'seen').strip().endswith('0027')
