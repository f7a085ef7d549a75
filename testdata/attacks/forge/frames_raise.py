# Tries: answering that exceptions were raised which could end the tester quietly.
# Allowed: failed, crashed
# Checked: verdict

import os
import struct

N = struct.pack


def text(t):
    return b"s" + N("<I", len(t)) + t


def answer(kind, value):
    value = b"t" + N("<I", 2) + text(kind) + value
    os.write(3, N("<I", len(value)) + value)


answer(b"returned", b"N")
os.read(3, 1 << 20)
answer(b"raised", b"t" + N("<I", 2) + text(b"SystemExit") + b"i" + N("<q", 0))
