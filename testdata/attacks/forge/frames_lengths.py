# Tries: a frame whose length is beyond everything, and one that ends early.
# Allowed: failed, crashed, timed out
# Checked: verdict, memory

import os

os.write(3, b"\xff\xff\xff\xff" + b"N" * 1000)
os._exit(0)
