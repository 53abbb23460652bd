#!/usr/bin/python3
"""A logind on the bus that DBUS_SYSTEM_BUS_ADDRESS names: one command in JSON a line in, one answer a line out.

One user, who runs it; one session, "1"; it does what it is told and nothing by itself. See logind.py."""
import json
import os
import sys

import dbus
import dbus.mainloop.glib
import dbus.service
from gi.repository import GLib
from logind import image  # beside us

LOGIND = 'org.freedesktop.login1'
ROOT = '/org/freedesktop/login1'
PROPERTIES = 'org.freedesktop.DBus.Properties'
USER_PATH = f'{ROOT}/user/_{os.getuid()}'


def session_path(name):
    return f'{ROOT}/session/_3{name}'


class Manager(dbus.service.Object):
    def __init__(self, bus, taken):
        super().__init__(bus, ROOT)
        self.bus, self.taken, self.is_refusing, self.is_preparing = bus, taken, False, False

    @dbus.service.method(PROPERTIES, in_signature='ss', out_signature='v')
    def Get(self, interface, name):
        assert (interface, name) == (LOGIND + '.Manager', 'PreparingForSleep')
        return self.is_preparing

    @dbus.service.method(LOGIND + '.Manager', in_signature='ssss', out_signature='h', sender_keyword='sender')
    def Inhibit(self, what, who, why, mode, sender):
        if self.is_refusing:
            raise dbus.DBusException('The operation is already running', name=LOGIND + '.OperationInProgress')
        pid = self.bus.get_object('org.freedesktop.DBus', '/').GetConnectionUnixProcessID(sender)
        ours, theirs = os.pipe()
        entry = {'what': what, 'who': who, 'why': why, 'mode': mode, 'sender': sender, 'image': image(pid),
                 'closed': False}
        self.taken.append(entry)

        def on_closed(*_):
            entry['image_when_closed'] = image(pid)  # first of all
            entry['closed'] = True
            os.close(ours)
            return False

        GLib.io_add_watch(ours, GLib.IO_HUP, on_closed)
        given = dbus.types.UnixFd(theirs)  # a copy
        os.close(theirs)
        return given

    @dbus.service.signal(LOGIND + '.Manager', signature='b')
    def PrepareForSleep(self, value):
        pass

    @dbus.service.signal(LOGIND + '.Manager', signature='so')
    def SessionNew(self, name, path):
        pass

    @dbus.service.signal(LOGIND + '.Manager', signature='so')
    def SessionRemoved(self, name, path):
        pass

    @dbus.service.signal(LOGIND + '.Manager', signature='uo')
    def UserRemoved(self, uid, path):
        pass


class User(dbus.service.Object):
    def __init__(self, bus):
        super().__init__(bus, USER_PATH)
        self.asked, self.is_gone = 0, False
        self.values = {'UID': dbus.UInt32(os.getuid()), 'Name': 'me', 'State': 'active', 'IdleHint': False,
                       'IdleSinceHintMonotonic': dbus.UInt64(0), 'Display': ('1', dbus.ObjectPath(session_path('1')))}
        self.sessions = ['1']

    @dbus.service.method(PROPERTIES, in_signature='s', out_signature='a{sv}')
    def GetAll(self, interface):
        assert interface == LOGIND + '.User'
        self.asked += 1
        if self.is_gone:
            raise dbus.DBusException('Unknown object', name='org.freedesktop.DBus.Error.UnknownObject')
        found = dbus.Array([(s, dbus.ObjectPath(session_path(s))) for s in self.sessions], signature='(so)')
        return {**self.values, 'Sessions': found, 'Linger': True}


class Session(dbus.service.Object):
    is_locked = False

    @dbus.service.method(PROPERTIES, in_signature='ss', out_signature='v')
    def Get(self, interface, name):
        assert (interface, name) == (LOGIND + '.Session', 'LockedHint')
        return self.is_locked

    @dbus.service.signal(LOGIND + '.Session', signature='')
    def Lock(self):
        pass

    @dbus.service.signal(PROPERTIES, signature='sa{sv}as')
    def PropertiesChanged(self, interface, changed, gone):
        pass


class Logind:
    """What can be told to it: each do_NAME by a command {"do": NAME, ...}."""

    def __init__(self):
        self.taken = []
        self._begin(dbus.SystemBus())

    def _begin(self, bus):
        self.bus, self.manager, self.user, self.sessions = bus, Manager(bus, self.taken), User(bus), {}
        bus.request_name(LOGIND)

    def _session(self, name):
        if name not in self.sessions:
            self.sessions[name] = Session(self.bus, session_path(name))
        return self.sessions[name]

    def do_sleep(self, begins):
        self.manager.is_preparing = begins
        self.manager.PrepareForSleep(begins)

    def do_refuse(self, value):
        self.manager.is_refusing = value

    def do_login(self, name):
        self.user.sessions.append(name)
        self.manager.SessionNew(name, session_path(name))

    def do_logout(self, name):
        self.user.sessions.remove(name)
        self.manager.SessionRemoved(name, session_path(name))

    def do_other_logout(self):
        """Of another user."""
        self.manager.SessionRemoved('9', session_path('9'))

    def do_user_removed(self):
        self.user.is_gone = True
        self.manager.UserRemoved(os.getuid(), USER_PATH)

    def do_state(self, value):
        self.user.values['State'] = value

    def do_idle(self, since_usec):
        self.user.values.update(IdleHint=True, IdleSinceHintMonotonic=dbus.UInt64(since_usec))

    def do_lock(self, name):
        self._session(name).Lock()

    def do_locked_hint(self, name, value):
        self._session(name).is_locked = value
        self._session(name).PropertiesChanged(LOGIND + '.Session', {'IdleHint': True, 'LockedHint': value}, ['Seat'])

    def do_restart(self):
        """The same under another unique name."""
        self.bus.release_name(LOGIND)
        self._begin(dbus.bus.BusConnection(os.environ['DBUS_SYSTEM_BUS_ADDRESS']))

    def do_inhibitors(self):
        return self.taken

    def do_asked(self):
        return self.user.asked


def main():
    dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
    logind, loop = Logind(), GLib.MainLoop()

    def on_command(source, _condition):
        line = source.readline()
        if not line:
            loop.quit()
            return False
        command = json.loads(line)
        print(json.dumps(getattr(logind, 'do_' + command.pop('do'))(**command)), flush=True)
        return True

    GLib.io_add_watch(sys.stdin, GLib.IO_IN | GLib.IO_HUP, on_command)
    print(json.dumps('ready'), flush=True)
    loop.run()


if __name__ == '__main__':
    main()
