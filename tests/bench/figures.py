"""What every measurement needs: telling, judging, and reading what the kernel knows of a process."""
import os
import statistics

troubles = []  # what must not happen while measuring; the bench fails with them
misses = []    # and with these: what verdict() has said of figures beyond their targets


def say(text=''):
    print(text, flush=True)


def verdict(value, at_most=None, at_least=None):
    """What to say behind a figure."""
    if at_most is not None and value > at_most:
        misses.append(f'{value:.2f}, at most {at_most}')
        return f'  MISSES its target: at most {at_most}'
    if at_least is not None and value < at_least:
        misses.append(f'{value:.2f}, at least {at_least}')
        return f'  MISSES its target: at least {at_least}'
    return ''


def pin(pid, cpu):
    if os.cpu_count() > 1:
        os.sched_setaffinity(pid, {cpu})


def on_cpu_sec(pid):
    with open(f'/proc/{pid}/schedstat', encoding='ascii') as f:
        return int(f.read().split()[0]) / 1e9


def median(values):
    return statistics.median(values)


def memory_kib(pid):
    """(RSS, PSS, written by it alone), or None: of a process that is not dumpable only root may know.
    PSS depends on who else has the same libraries open; the last figure does not."""
    try:
        with open(f'/proc/{pid}/smaps_rollup', encoding='ascii') as f:
            values = {line.split(':')[0]: int(line.split()[1]) for line in f if line.endswith('kB\n')}
        return values['Rss'], values['Pss'], values['Private_Dirty']
    except PermissionError:
        return None
