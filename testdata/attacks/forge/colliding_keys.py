# Tries: a set of numbers with the same hash, over which the tester would sit for hours.
# Problem: sort
# Allowed: failed, crashed, timed out
# Checked: verdict, neighbours

import os
import struct


def ordered(values):
    step = (1 << 61) - 1
    body = b"".join(b"i" + struct.pack("<q", (i - 2) * step) if abs(i - 2) <= 4 else
                    b"I" + struct.pack("<I", 16) + (i * step).to_bytes(16, "little", signed=True) for i in range(500000))
    body = (b"t\2\0\0\0s\x08\0\0\0returnedt\2\0\0\0S" + struct.pack("<I", 500000) + body + b"N")
    data = struct.pack("<I", len(body)) + body
    while data:
        data = data[os.write(3, data):]
