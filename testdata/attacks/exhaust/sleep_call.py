# Tries: sleeping when called, with signals blocked.
# Allowed: timed out
# Checked: processes

import signal
import time


def add(a, b):
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
    time.sleep(10 ** 6)
