# Tries: killing all numbers of processes, their groups and threads, by each call that can.
# Allowed: failed, crashed, timed out
# Checked: signals, neighbours, processes

import ctypes

libc = ctypes.CDLL(None)
me = libc.getpid()
info = (ctypes.c_int * 32)(15, 0, -1)
for near in (int("0@PID@"), me, libc.getppid()):
    for pid in range(max(2, near - 300), near + 300):
        if pid not in (me, libc.syscall(186)):
            libc.kill(pid, 15)
            libc.kill(-pid, 15)
            libc.syscall(200, pid, 15)
            libc.syscall(234, pid, pid, 15)
            libc.syscall(129, pid, 15, info)
            libc.syscall(297, pid, pid, 15, info)
            libc.syscall(424, pid, 15, 0, 0)
