# Tries: reading and changing the process of which this one is a copy, and every other, by their memory.
# Allowed: failed, crashed
# Checked: neighbours, processes

import ctypes
import posix

libc = ctypes.CDLL(None, use_errno=True)
seen = []
for pid in ["self", "1", str(posix.getppid())] + [str(int("0@PID@") + n) for n in range(-20, 60)]:
    for name in ("mem", "maps", "fd", "environ", "task", "uid_map", "root"):
        try:
            posix.open("/proc/%s/%s" % (pid, name), posix.O_RDONLY)
            seen.append((pid, name))
        except OSError:
            pass
buffer = ctypes.create_string_buffer(8)
local = (ctypes.c_uint64 * 2)(ctypes.addressof(buffer), 8)
remote = (ctypes.c_uint64 * 2)(id(6), 8)  # where it is here it is in the other, too
for pid in [1, posix.getppid()] + [int("0@PID@") + n for n in range(-20, 60)]:
    if pid > 0 and pid != posix.getpid():
        for call in (310, 311):
            if libc.syscall(call, pid, local, 1, remote, 1, 0) >= 0:
                seen.append((pid, call))
        for request in (16, 0x4206):
            if libc.syscall(101, request, pid, 0, 0) >= 0:
                seen.append((pid, "ptrace"))
if seen:
    raise Exception("ESCAPED: %s" % seen)
# Pages that copies share change for this one alone.
ctypes.memset(id(6) + 24, 7, 1)
for name in ("PyDict_Type", "PyLong_Type", "PyUnicode_Type"):
    ctypes.memset(ctypes.addressof(ctypes.c_char.in_dll(ctypes.pythonapi, name)) + 40, 0, 64)
