# Tries: taking memory of the kernel that no limit counts: locks, pipes, sockets, timers, polls.
# Allowed: failed, crashed, out of memory, timed out
# Checked: memory, descriptors, neighbours

import ctypes
import fcntl
import os
import select
import socket
import struct

libc = ctypes.CDLL(None)
kept = []
with open("file", "w") as f:
    for i in range(20000):
        try:
            fcntl.fcntl(f, fcntl.F_SETLK, struct.pack("hhqqi", 1, 0, 2 * i, 1, 0))
        except OSError:
            break
    for _ in range(2000):
        if libc.syscall(222, 0, 0, ctypes.byref(ctypes.c_int())) < 0:
            break
    while True:
        try:
            r, w = os.pipe()
            try:
                fcntl.fcntl(w, 1031, 1 << 20)
            except OSError:
                pass
            os.set_blocking(w, False)
            kept.append((r, w))
            os.write(w, b"x" * (1 << 20))
            s = socket.socketpair()
            kept.append(s)
            s[0].setblocking(False)
            s[0].send(b"x" * (1 << 20))
            kept.append(select.epoll())
        except BlockingIOError:
            pass
        except OSError:
            break
