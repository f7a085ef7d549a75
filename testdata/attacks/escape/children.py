# Tries: making processes in all ways that Python and the kernel have.
# Allowed: failed, crashed
# Checked: processes

import ctypes
import posix

libc = ctypes.CDLL(None)
seen = []


def child(result):
    if result == 0:
        libc._exit(0)
    if result > 0:
        seen.append(result)


for do in (posix.fork, posix.forkpty, lambda: libc.fork(), lambda: libc.syscall(57), lambda: libc.syscall(58), lambda: libc.syscall(56, 17, 0, 0, 0, 0),
           lambda: libc.syscall(56, 0x8011, 0, 0, 0, 0), lambda: libc.syscall(435, (ctypes.c_uint64 * 11)(0, 0, 0, 0, 17), 88), lambda: libc.daemon(0, 0)):
    try:
        result = do()
        child(result[0] if type(result) is tuple else result)
    except OSError:
        pass
if seen:
    raise Exception("ESCAPED: children %s" % seen)
