# Tries: filling pipes and waiting for somebody to read.
# Allowed: failed, crashed, timed out
# Checked: processes, descriptors

import os

r, w = os.pipe()
while True:
    os.write(w, b"x" * 65536)
