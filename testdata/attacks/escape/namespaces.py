# Tries: making or entering namespaces, where a process has all rights.
# Allowed: failed
# Checked: mounts, processes

import ctypes

libc = ctypes.CDLL(None, use_errno=True)
seen = []
for bit in (0x20000, 0x10000000, 0x20000000, 0x40000000, 0x8000000, 0x4000000, 0x2000000):
    if libc.syscall(272, bit) == 0:
        seen.append("unshare %#x" % bit)
    for extra in (17, 0x10900 | 0x10000, 0x4000, 0x8000):
        pid = libc.syscall(56, bit | extra, 0, 0, 0, 0)
        if pid == 0:
            libc._exit(0)
        if pid > 0:
            seen.append("clone %#x" % (bit | extra))
for fd in range(64):
    if libc.syscall(308, fd, 0) == 0:
        seen.append("setns %d" % fd)
if seen:
    raise Exception("ESCAPED: %s" % seen)
