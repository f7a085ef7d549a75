# Tries: a deque made from an iterator made from a deque, each of which asks again while it is decoded.
# Allowed: failed, crashed, timed out
# Checked: verdict, memory

import os
import struct

N = struct.pack


def answer(value):
    value = b"t" + N("<I", 2) + b"s" + N("<I", 8) + b"returned" + value
    os.write(3, N("<I", len(value)) + value)


answer(b"N")
deque = b"r" + N("<I", 5) + b"deque" + b"t" + N("<I", 2) + b"g" + N("<q", 0) + b"N"
while os.read(3, 1 << 20):
    answer(b"t" + N("<I", 2) + deque + b"N")
