# Tries: finding a terminal and typing on it.
# Allowed: failed
# Checked: system

import ctypes
import posix

libc = ctypes.CDLL(None)
seen = []
for fd in range(0, 20):
    for request in (0x5412, 0x540E, 0x5414, 0x5422, 0x541C, 0x5423, 0x40045431, 0x8903, 0x8912, 0x8B01, 0x40049409):
        if libc.ioctl(fd, request, b"x") == 0:
            seen.append((fd, hex(request)))
for path in ("/dev/tty", "/dev/ptmx", "/dev/pts/0", "/dev/console", "/dev/tty1"):
    try:
        seen.append((path, posix.open(path, posix.O_RDWR | posix.O_NOCTTY)))
    except OSError:
        pass
try:
    seen.append(posix.openpty())
except OSError:
    pass
if seen:
    raise Exception("ESCAPED: %s" % seen)
