# Tries: sending frames that look like a tester's verdict, an order, or a limit.
# Allowed: failed, crashed, timed out
# Checked: verdict

import os
import struct

for kind in (b"verdict", b"passed", b"limit", b"J\0\0\0\0\0\0\0\0", b"K\1\0\0\0\0\0\0\0"):
    value = b"t" + struct.pack("<I", 2) + b"s" + struct.pack("<I", len(kind)) + kind + b"T"
    os.write(3, struct.pack("<I", len(value)) + value)
