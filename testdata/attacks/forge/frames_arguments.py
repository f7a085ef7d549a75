# Tries: claiming changes to the arguments that no function can make: other types, iterators, huge lists.
# Problem: sort
# Allowed: failed, crashed
# Checked: verdict

import os
import struct

N = struct.pack


def answer(value):
    value = b"t" + N("<I", 2) + b"s" + N("<I", 8) + b"returned" + value
    os.write(3, N("<I", len(value)) + value)


answer(b"N")
for changed in (b"t" + N("<I", 1) + b"g" + N("<q", 0), b"t" + N("<I", 1) + b"l" + N("<I", 3) + b"ooo"):
    os.read(3, 1 << 20)
    answer(b"t" + N("<I", 2) + b"l" + N("<I", 0) + changed)
