# Tries: calls through the gate of 32-bit programs, where numbers mean other calls: fork is 2.
# Allowed: failed, crashed
# Checked: processes

import ctypes
import mmap
import platform

if platform.machine() == "x86_64":
    code = mmap.mmap(-1, 4096, prot=7)
    code.write(b"\x53\xb8\x02\x00\x00\x00\xcd\x80\x5b\xc3")
    result = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()
    if result >= 0:
        raise Exception("ESCAPED: a fork with the number %d" % result)
