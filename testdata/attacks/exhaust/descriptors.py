# Tries: opening files without end.
# Allowed: failed, crashed, timed out
# Checked: descriptors, neighbours

import os

kept = []
while True:
    kept.append(os.open("/dev/null", os.O_RDONLY))
