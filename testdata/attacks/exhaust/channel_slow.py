# Tries: answering a byte in a while, and never to the end.
# Allowed: timed out
# Checked: neighbours

import os
import time

os.write(3, b"\0\0\0\4")
while True:
    os.write(3, b"t")
    time.sleep(0.01)
