# Tries: staying after the verdict: ignores all signals, closes everything and sleeps in many threads.
# Allowed: failed, crashed, timed out
# Checked: processes

import os
import signal
import threading
import time

for s in range(1, 65):
    try:
        signal.signal(s, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
for _ in range(20):
    threading.Thread(target=time.sleep, args=(3600,)).start()
os.closerange(3, 100)
time.sleep(3600)
