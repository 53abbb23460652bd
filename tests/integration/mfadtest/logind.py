"""A system bus of our own, and a logind on it that does what a test says (logind_program.py)."""
import json
import os
import subprocess
import time

BUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>{address}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default"> <!-- as the real one: anybody may send signals to anybody -->
    <allow user="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>
    <allow send_destination="org.freedesktop.login1"/>
    <allow own="org.freedesktop.login1"/>
  </policy>
</busconfig>
"""
ANSWER_SEC = 10
PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'logind_program.py')


def image(pid):
    """Changes with execve(2): where the kernel put the image's stack. '0' when we may not know."""
    try:
        with open(f'/proc/{pid}/stat', encoding='ascii') as f:
            return f.read().rsplit(')', 1)[1].split()[25]
    except OSError:
        return 'gone'


class Bus:
    """A dbus-daemon on a socket in @folder."""

    def __init__(self, folder):
        self.path = os.path.join(folder, 'bus')
        self.address = f'unix:path={self.path}'
        self.config = os.path.join(folder, 'bus.conf')
        self.process = None
        with open(self.config, 'w', encoding='utf-8') as f:
            f.write(BUS_CONFIG.format(address=self.address))

    def start(self):
        self.process = subprocess.Popen(
            ['dbus-daemon', '--config-file=' + self.config, '--nofork', '--nopidfile', '--nosyslog',
             '--print-address=1'], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        assert self.process.stdout.readline(), 'dbus-daemon did not start'
        return self

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(ANSWER_SEC)
            self.process.stdout.close()
            self.process = None

    def send(self, *arguments):
        """What dbus-send(1) prints."""
        return subprocess.run(['dbus-send', '--bus=' + self.address, *arguments], check=True, text=True,
                              capture_output=True, timeout=ANSWER_SEC).stdout

    def peers(self):
        """The connections, but dbus-send's own."""
        said = self.send('--print-reply=literal', '--dest=org.freedesktop.DBus', '/', 'org.freedesktop.DBus.ListNames')
        return sorted(w for w in said.split() if w.startswith(':'))[:-1]


class Logind:
    """The logind of @bus, in a process of its own."""

    def __init__(self, bus):
        self.process = subprocess.Popen(
            ['/usr/bin/python3', PROGRAM], env={'DBUS_SYSTEM_BUS_ADDRESS': bus.address},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert json.loads(self.process.stdout.readline()) == 'ready'

    def stop(self):
        if self.process:
            self.process.stdin.close()
            self.process.wait(ANSWER_SEC)
            self.process.stdout.close()
            self.process = None

    def do(self, command, **parameters):
        self.process.stdin.write(json.dumps({'do': command, **parameters}) + '\n')
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def inhibitors(self):
        """Those that were ever taken, the oldest first."""
        return self.do('inhibitors')

    def held(self):
        return [i for i in self.inhibitors() if not i['closed']]

    def suspend(self):
        """As logind does: says so, and waits for all inhibitors. Returns how long that took."""
        began = time.monotonic()
        self.do('sleep', begins=True)
        while self.held():
            assert time.monotonic() - began < ANSWER_SEC, 'an inhibitor is still held'
            time.sleep(0.005)
        return time.monotonic() - began

    def resume(self):
        self.do('sleep', begins=False)
