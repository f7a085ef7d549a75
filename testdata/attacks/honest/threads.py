# Tries: nothing bad: leaves threads and timers running and solves the task.
# Allowed: passed
# Checked: verdict, processes

import signal
import threading
import time

signal.signal(signal.SIGALRM, lambda *args: None)
signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
for _ in range(10):
    threading.Thread(target=time.sleep, args=(60,)).start()


def add(a, b):
    return a + b
