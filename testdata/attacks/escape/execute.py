# Tries: executing the interpreter, a shell, itself and a program in memory, by all calls.
# Allowed: failed, crashed
# Checked: processes, files

import ctypes
import posix
import sys

libc = ctypes.CDLL(None)
empty = (ctypes.c_char_p * 1)(None)
seen = []
args = (ctypes.c_char_p * 4)(b"sh", b"-c", b"echo > @TMP@/PWNED", None)
for path in (sys.executable.encode(), b"/bin/sh", b"/usr/bin/sh", b"/bin/true", b"/proc/self/exe", b"@CWD@/../nfcot"):
    libc.execve(path, args, empty)
    for fd in (-100, 3, 256, 255):
        for flags in (0, 0x1000):
            libc.syscall(322, fd, path, args, empty, flags)
            libc.syscall(322, fd, b"", args, empty, flags)
    seen.append(libc.posix_spawn(ctypes.byref(ctypes.c_int()), path, 0, 0, args, empty) == 0)
if any(seen):
    raise Exception("ESCAPED: posix_spawn")
