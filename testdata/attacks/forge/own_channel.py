# Tries: putting another descriptor in the place of the channel.
# Allowed: failed, crashed, timed out
# Checked: verdict

import os

r, w = os.pipe()
os.dup2(r, 3)
os.write(w, b"\x01\0\0\0T" * 100)
