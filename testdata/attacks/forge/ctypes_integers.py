# Tries: making 5 and 4 the same number in memory.
# Allowed: failed, crashed, timed out
# Checked: verdict

import ctypes
import sys

size = sys.getsizeof(5)
for n in range(5, 257):
    ctypes.memmove(id(n) + size - 4, id(4) + size - 4, 4)


def add(a, b):
    return 4
