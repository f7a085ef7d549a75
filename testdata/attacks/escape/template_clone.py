# Tries: making a process that is not this one's child, as copies are made, and outliving this one.
# Allowed: failed
# Checked: processes, neighbours

import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
seen = []
for flags in (17, 0x8000 | 17, 0x8000 | 0x20020000 | 17, 0x10020000 | 0x20000000 | 0x8000 | 17, 0x100 | 17, 0x4100 | 17, 0x8000, 0x10000000 | 17):
    for call in (56, 57, 58, 435):
        pid = libc.syscall(call, flags, 0, 0, 0, 0)
        if pid == 0:
            while True:
                pass
        if pid > 0:
            seen.append((call, hex(flags)))
try:
    os.forkpty()
    seen.append("forkpty")
except Exception:
    pass
# Its walls are not for it to take down: a second filter or domain only adds.
for call in ((157, 22, 0, 0, 0, 0), (157, 38, 0, 0, 0, 0), (157, 1, 0, 0, 0, 0), (157, 4, 1, 0, 0, 0), (165, b"x", b"/", b"tmpfs", 0, 0), (166, b"/tmp", 2),
             (166, b"/", 2), (161, b"/tmp"), (155, b"/", b"/tmp"), (429, 0, 0, 0, 0)):
    if libc.syscall(*call) >= 0:
        seen.append(call)
if seen:
    raise Exception("ESCAPED: %s" % seen)
