#!/usr/bin/python3
"""activate.py NAME=ADDRESS... PROGRAM: makes listening sockets, hands them over as systemd does
(sd_listen_fds_with_names(3)) and becomes PROGRAM. ADDRESS: tcp:HOST:PORT, stream:PATH, packet:PATH, or fd:N for
a socket that somebody else made and holds."""
import os
import socket
import sys

FIRST = 3  # SD_LISTEN_FDS_START


def listener(address):
    kind, where = address.split(':', 1)
    if kind == 'fd':
        return socket.socket(fileno=int(where))
    if kind == 'tcp':
        host, port = where.rsplit(':', 1)
        s = socket.socket(socket.AF_INET6 if ':' in host else socket.AF_INET)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind((host, int(port)))
    else:
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM if kind == 'stream' else socket.SOCK_SEQPACKET)
        os.umask(0o177)
        s.bind(where)
    s.listen(128)
    return s


def main():
    *given, program = sys.argv[1:]
    names, sockets = zip(*((g.split('=', 1)[0], listener(g.split('=', 1)[1])) for g in given))
    # first out of the way, so that no dup2() hits one that is still needed
    high = [os.dup2(s.fileno(), 100 + i) for i, s in enumerate(sockets)]
    for i, fd in enumerate(high):
        os.dup2(fd, FIRST + i, inheritable=True)
        os.close(fd)
    os.closerange(FIRST + len(names), 100)
    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(names)), LISTEN_FDNAMES=':'.join(names))
    os.execv(program, [program])


if __name__ == '__main__':
    main()
