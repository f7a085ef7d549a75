# Tries: writing over the interpreter's memory.
# Allowed: failed, crashed, timed out
# Checked: verdict, neighbours

import ctypes

for address in range(id(object), id(object) + (1 << 20), 8):
    ctypes.c_uint64.from_address(address).value = 0x4141414141414141
