# Tries: sending answers before they are asked for.
# Allowed: failed, crashed, timed out
# Checked: verdict

import os
import struct

value = b"t" + struct.pack("<I", 2) + b"s" + struct.pack("<I", 8) + b"returned" + b"t" + struct.pack("<I", 2) + b"TN"
for _ in range(1000):
    os.write(3, struct.pack("<I", len(value)) + value)
