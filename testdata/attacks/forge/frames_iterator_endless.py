# Tries: an iterator without an end in a value that the tester makes whole.
# Allowed: failed, crashed, timed out, out of memory
# Checked: verdict, memory, neighbours

import os
import struct

N = struct.pack


def answer(value):
    value = b"t" + N("<I", 2) + b"s" + N("<I", 8) + b"returned" + value
    os.write(3, N("<I", len(value)) + value)


answer(b"N")
os.read(3, 1 << 20)
answer(b"t" + N("<I", 2) + b"r" + N("<I", 11) + b"OrderedDict" + b"t" + N("<I", 1) + b"g" + N("<q", 0) + b"N")
while os.read(3, 1 << 20):
    answer(b"t" + N("<I", 2) + b"b" + N("<I", 1 << 20) + bytes(1 << 20) + b"N")
