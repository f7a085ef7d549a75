# Tries: values that claim to have more parts than bytes, again and again, in each other.
# Allowed: failed, crashed
# Checked: verdict, memory

import os
import struct

N = struct.pack
body = b"".join(b"l" + N("<I", 100000) for _ in range(190)) + b"N" * 200000
os.write(3, N("<I", len(body)) + body)
