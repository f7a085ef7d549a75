# Tries: raising its own limits.
# Allowed: failed
# Checked: memory

import ctypes

libc = ctypes.CDLL(None)
unlimited = (ctypes.c_uint64 * 2)(0xffffffffffffffff, 0xffffffffffffffff)
seen = []
for limit in (1, 4, 6, 7, 9, 12):
    now = (ctypes.c_uint64 * 2)()
    libc.syscall(97, limit, now)
    more = (ctypes.c_uint64 * 2)(now[1] + 1, now[1] + 1)
    if now[1] == 0xffffffffffffffff and limit != 6:
        seen.append("no limit %d" % limit)
    if now[1] != 0xffffffffffffffff and (libc.syscall(160, limit, more) == 0 or libc.syscall(302, 0, limit, unlimited, 0) == 0):
        seen.append("raised %d" % limit)
if seen:
    raise Exception("ESCAPED: %s" % seen)
