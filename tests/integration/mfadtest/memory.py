"""Looks for secrets in the memory of processes, as root."""
import base64
import os
import re
import urllib.parse

SLICE = 12  # bytes: shorter pieces turn up by chance


def spellings(secret):
    """Every form in which @secret (bytes) may lie about, whole and in slices."""
    hexed = secret.hex().encode()
    whole = {secret, base64.b64encode(secret), hexed, hexed.upper(),
             urllib.parse.quote(secret, safe='').encode(), secret.decode('latin-1').encode('utf-16-le')}
    slices = {secret[i:i + SLICE] for i in range(0, len(secret) - SLICE + 1, SLICE)}
    slices.add(secret[-SLICE:])
    return whole | slices


def patterns(secrets):
    """One expression for each of {name: text}."""
    return {name: re.compile(b'|'.join(re.escape(s) for s in spellings(text.encode())))
            for name, text in secrets.items()}


def mappings(pid):
    """(start, end, name) of what the process may read."""
    with open(f'/proc/{pid}/maps', encoding='ascii', errors='replace') as f:
        for line in f:
            fields = line.split(maxsplit=5)
            start, end = (int(x, 16) for x in fields[0].split('-'))
            if 'r' in fields[1]:
                yield start, end, fields[5].strip() if len(fields) > 5 else ''


class Scan:
    """found: {name: number of places}. unreadable: what could not be looked at."""

    def __init__(self, pid, secrets):
        self.found, self.unreadable, self.bytes = {}, [], 0
        wanted = patterns(secrets)
        with open(f'/proc/{pid}/mem', 'rb', buffering=0) as memory:
            for start, end, name in mappings(pid):
                if name in ('[vvar]', '[vsyscall]', '[vdso]', '[vvar_vclock]'):
                    continue
                try:
                    data = os.pread(memory.fileno(), end - start, start)
                except OSError:
                    data = b''
                if len(data) < end - start:
                    self.unreadable.append(name or f'{start:x}-{end:x}')
                self.bytes += len(data)
                for secret, pattern in wanted.items():
                    count = len(pattern.findall(data))
                    if count:
                        self.found[secret] = self.found.get(secret, 0) + count


CAP_SYS_PTRACE = 1 << 19


def can_scan():
    """Whether this process may read the memory of one that is not dumpable."""
    with open('/proc/self/status', encoding='ascii') as f:
        effective = re.search(r'^CapEff:\s*(\w+)', f.read(), flags=re.M)
    return os.geteuid() == 0 and bool(int(effective.group(1), 16) & CAP_SYS_PTRACE)
