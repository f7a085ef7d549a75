# Tries: killing every process that it may.
# Allowed: failed, crashed, timed out
# Checked: signals, neighbours, processes

import posix

for signal in (15, 9):
    for pid in (-1, 0):
        try:
            posix.kill(pid, signal)
        except OSError:
            pass
