# Tries: forking without end.
# Allowed: failed, crashed, timed out
# Checked: processes, neighbours

import posix

while True:
    posix.fork()
