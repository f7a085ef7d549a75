# Tries: sending descriptors over the channel until nobody can open any.
# Allowed: failed, crashed, timed out
# Checked: descriptors, neighbours

import array
import socket

s = socket.socket(fileno=3)
a, b = socket.socketpair()
for _ in range(200):
    try:
        for to in (s, a):
            to.sendmsg([b"\0"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, a.fileno(), b.fileno(), 3] * 40))], socket.MSG_DONTWAIT)
    except OSError:
        break
s.detach()
