# Tries: lowering and raising limits of all processes of its user, and ending the one of which this is a copy by signals.
# Allowed: failed, crashed, timed out
# Checked: neighbours, signals, processes

import ctypes
import posix
import sys

libc = ctypes.CDLL(None, use_errno=True)
seen = []
for limit in range(16):
    pair = (ctypes.c_uint64 * 2)(0, 0)
    for pid in [posix.getppid(), 1] + [int("0@PID@") + n for n in range(-20, 60)]:
        if pid > 0 and pid != posix.getpid() and libc.syscall(302, pid, limit, pair, 0) == 0:
            seen.append((pid, limit))
    high = (ctypes.c_uint64 * 2)(2 ** 64 - 1, 2 ** 64 - 1)
    old = (ctypes.c_uint64 * 2)()
    libc.syscall(302, 0, limit, 0, old)
    if old[1] != 2 ** 64 - 1 and libc.syscall(302, 0, limit, high, 0) == 0:
        seen.append(("raised", limit))
if seen:
    raise Exception("ESCAPED: %s" % seen)
for pid in [-1, 0, 1, posix.getppid(), -posix.getppid()] + [int("0@PID@") + n for n in range(-20, 60)]:
    for number in (15, 10, 12, 19, 9):
        if pid not in (posix.getpid(), -posix.getpid(), 0):
            libc.syscall(62, pid, number)
            libc.syscall(200, pid, number)
            libc.syscall(234, pid, pid, number)
            libc.syscall(129, pid, number, b"\0" * 128)
