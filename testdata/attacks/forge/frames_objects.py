# Tries: an own answering machine that sends what no honest one would: opaque objects, iterators, subclasses.
# Allowed: failed, crashed
# Checked: verdict

import os
import struct

N = struct.pack


def answer(value):
    value = b"t" + N("<I", 2) + b"s" + N("<I", 8) + b"returned" + value
    os.write(3, N("<I", len(value)) + value)


values = [b"o" + N("<I", 1) + b"x", b"uuuui" + N("<q", 5), b"g" + N("<q", -1),
          b"r" + N("<I", 3) + b"int" + b"t" + N("<I", 1) + b"i" + N("<q", 5)]
answer(b"N")
for v in values:
    os.read(3, 1 << 20)
    answer(b"t" + N("<I", 2) + v + b"N")
