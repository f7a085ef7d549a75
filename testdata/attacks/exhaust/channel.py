# Tries: flooding the channel.
# Allowed: failed, crashed, timed out, out of memory
# Checked: memory, neighbours

import os

while True:
    os.write(3, b"\xff\xff\xff\x05" + b"N" * (1 << 20))
