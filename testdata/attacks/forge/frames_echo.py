# Tries: answering each request with the request itself.
# Allowed: failed, crashed, timed out
# Checked: verdict

import os

while True:
    data = os.read(3, 1 << 16)
    if not data:
        break
    os.write(3, data)
