# Tries: a flood of signals to itself, and queues full of them.
# Allowed: failed, crashed, timed out
# Checked: neighbours

import ctypes
import posix
import signal

libc = ctypes.CDLL(None)
signal.pthread_sigmask(signal.SIG_BLOCK, [34, 35, 36])
info = (ctypes.c_int * 32)(34, 0, -1)
for _ in range(20000):
    libc.syscall(129, posix.getpid(), 34, info)
    signal.setitimer(signal.ITIMER_VIRTUAL, 0.000001, 0.000001)
