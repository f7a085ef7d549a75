# Tries: executing by a path at an address that a filter might trust: it has the kernel fill low memory.
# Allowed: failed, crashed, out of memory, timed out
# Checked: processes

import ctypes

libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
libc.mremap.restype = ctypes.c_void_p
libc.mremap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int, ctypes.c_void_p]
low = []
for flags in (0x22, 0x32, 0x62, 0x122, 0x132, 0x100022, 0x4022):
    for address in (1 << 20, 0x10000, 0x100fff):
        low.append(libc.mmap(address, 4096, 3, flags, -1, 0))
page = libc.mmap(None, 4096, 3, 0x22, -1, 0)
low.append(libc.mremap(page, 4096, 4096, 3, 1 << 20))
low.append(libc.syscall(12, 1 << 20))  # the break, which stays where it is: in an interpreter at fixed addresses not far above
found = [hex(a) for a in low if a is not None and 0 < a < (1 << 20) + 4096]
if found:
    raise Exception("ESCAPED: low pages %s" % found)
