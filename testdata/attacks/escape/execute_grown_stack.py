# Tries: executing by a path at the one address that a filter might trust, to which it lets a mapping grow down.
# Allowed: failed, crashed, out of memory, timed out
# Checked: processes

import ctypes

libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
unlimited = (ctypes.c_uint64 * 2)(0xffffffffffffffff, 0xffffffffffffffff)
libc.syscall(160, 3, unlimited)
address = libc.mmap(1 << 32, 4096, 3, 0x132, -1, 0)
if address == 1 << 32:
    raise Exception("ESCAPED: a mapping that grows down")
