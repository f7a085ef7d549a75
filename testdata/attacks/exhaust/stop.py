# Tries: stopping itself, so that no clock of its own runs.
# Allowed: failed, timed out, crashed
# Checked: processes

import posix

for signal in (19, 20, 21, 22):
    posix.kill(posix.getpid(), signal)
