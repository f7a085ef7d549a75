# Tries: killing the evaluation and the process above.
# Allowed: failed, crashed, timed out
# Checked: signals, neighbours, processes

import posix

for pid in (int("0@PID@"), posix.getppid()):
    for signal in (19, 9, 15, 1, 2):
        try:
            if pid > 1:
                posix.kill(pid, signal)
        except OSError:
            pass
