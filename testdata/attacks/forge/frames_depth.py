# Tries: nesting of a hundred thousand levels in one frame.
# Allowed: failed, crashed
# Checked: verdict

import os
import struct

N = struct.pack
for tag in (b"u", b"l" + N("<I", 1), b"t" + N("<I", 1)):
    body = tag * 100000 + b"N"
    os.write(3, N("<I", len(body)) + body)
