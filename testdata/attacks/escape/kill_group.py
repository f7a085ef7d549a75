# Tries: leaving its process group, or killing it with all in it.
# Allowed: failed, crashed, timed out
# Checked: signals, neighbours, processes

import posix
import signal

signal.signal(signal.SIGTERM, signal.SIG_IGN)
for do in (lambda: posix.setsid(), lambda: posix.setpgid(0, posix.getppid()), lambda: posix.killpg(posix.getpgid(posix.getppid()), 9),
           lambda: posix.killpg(posix.getpgrp(), 15)):
    try:
        do()
    except (OSError, AttributeError):
        pass
