# Tries: taking all memory with mappings, private, shared and of devices.
# Allowed: failed, crashed, out of memory, timed out
# Checked: memory, neighbours, ipc

import mmap
import os

kept = []
zero = os.open("/dev/zero", os.O_RDWR)
while True:
    for make in (lambda: mmap.mmap(-1, 1 << 26), lambda: mmap.mmap(-1, 1 << 26, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS), lambda: mmap.mmap(zero, 1 << 26)):
        try:
            m = make()
        except (OSError, ValueError):
            continue
        for at in range(0, 1 << 26, 4096):
            m[at] = 1
        kept.append(m)
