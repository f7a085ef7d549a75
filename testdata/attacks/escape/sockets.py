# Tries: making sockets of every family and type.
# Allowed: failed
# Checked: network

import ctypes

libc = ctypes.CDLL(None)
seen = []
for family in range(46):
    for kind in (1, 2, 3, 4, 5, 10):
        if libc.socket(family, kind, 0) >= 0:
            seen.append((family, kind))
pair = (ctypes.c_int * 2)()
for kind in (2, 3, 5):
    if libc.socketpair(1, kind, 0, pair) == 0:
        seen.append(("pair", kind))
if seen:
    raise Exception("ESCAPED: sockets %s" % seen)
