# Tries: reaching devices: those that are there by other ways than reading, and making others.
# Allowed: failed
# Checked: system

import ctypes
import posix

libc = ctypes.CDLL(None)
seen = []
for name, number in {"mem": 0x101, "kmsg": 0x10b, "vda": 0xfe00, "sda": 0x800, "kvm": 0xae8, "fuse": 0xae5, "null": 0x103}.items():
    for path in ("/dev/PWNED." + name, name):
        if libc.mknod(path.encode(), 0o20666, ctypes.c_ulong(number)) == 0:
            seen.append(path)
for name in ("null", "zero", "random", "urandom"):
    fd = posix.open("/dev/" + name, posix.O_RDWR)
    for request in (0x40045201, 0x40085203, 0x5204, 0x5206, 0x5207, 0x1260, 0x80081272):
        if libc.ioctl(fd, request, (ctypes.c_int * 8)()) == 0:
            seen.append((name, hex(request)))
    for do in (posix.fchmod, lambda f, m: posix.fchown(f, 1, 1)):
        try:
            do(fd, 0o666)
            seen.append(("attributes", name))
        except OSError:
            pass
if seen:
    raise Exception("ESCAPED: %s" % seen)
