# Tries: becoming another user, or getting rights back.
# Allowed: failed
# Checked: system

import ctypes
import posix

libc = ctypes.CDLL(None)
seen = []
caps = (ctypes.c_uint32 * 2)(0x20080522, 0)
data = (ctypes.c_uint32 * 6)(*[0xffffffff] * 6)
for name, args in {"setuid": (105, 0), "setgid": (106, 0), "setreuid": (113, 0, 0), "setresuid": (117, 0, 0, 0), "setgroups": (116, 0, 0), "setfsuid": (122, 0),
                   "capset": (126, caps, data), "no_new_privs": (157, 38, 0, 0, 0, 0), "keepcaps": (157, 8, 1, 0, 0, 0), "ambient": (157, 47, 2, 21, 0, 0), "dumpable": (157, 4, 1, 0, 0, 0),
                   "subreaper": (157, 36, 1, 0, 0, 0), "ptracer": (157, 0x59616d61, -1, 0, 0, 0), "seccomp": (157, 22, 1, 0, 0, 0), "set_mm": (157, 35, 1, 0, 0, 0), "timer slack": (157, 29, 1, 0, 0, 0)}.items():
    if libc.syscall(*args) == 0:
        seen.append(name)
if 0 in (posix.getuid(), posix.geteuid(), posix.getgid(), posix.getegid()):
    seen.append("is root")
if set(posix.getgroups()) & {0}:
    seen.append("is in root's group")
if libc.syscall(125, caps, data) == 0 and any(data[i] for i in (0, 1, 3, 4)):
    seen.append("has capabilities")
if seen:
    raise Exception("ESCAPED: %s" % seen)
