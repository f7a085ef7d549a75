# Tries: calls of the x32 interface, which a filter of plain numbers does not know.
# Allowed: failed, crashed
# Checked: processes

import ctypes

libc = ctypes.CDLL(None)
for number in (0x40000000 + 57, 0x40000000 + 39, 0x40000000 + 520):
    result = libc.syscall(number, b"/bin/sh", 0, 0)
    if result == 0:
        libc._exit(0)
    if result > 0:
        raise Exception("ESCAPED: %#x gives %d" % (number, result))
