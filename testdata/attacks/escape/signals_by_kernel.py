# Tries: having the kernel send signals for it: owners of descriptors, timers, the parent's death.
# Allowed: failed, crashed, timed out
# Checked: signals, neighbours

import ctypes
import fcntl
import posix

libc = ctypes.CDLL(None)
seen = []
r, w = posix.pipe()
for fd in (3, r, w, 0):
    for command, value in ((8, int("0@PID@")), (10, 9), (15, 0), (1024, 0), (1026, 1)):
        try:
            fcntl.fcntl(fd, command, value)
            seen.append((fd, command))
        except OSError:
            pass
if libc.prctl(1, 0) == 0:
    seen.append("no death with the parent")
event = (ctypes.c_int * 16)(0, 0, 9, 4, int("0@PID@"))
timer = ctypes.c_int()
if libc.syscall(222, 0, event, ctypes.byref(timer)) == 0:
    libc.syscall(223, timer, 0, (ctypes.c_long * 4)(0, 0, 0, 1), 0)
    seen.append("timer for another")
if seen:
    raise Exception("ESCAPED: %s" % seen)
