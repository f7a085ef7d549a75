# Tries: semaphores and locks of the system without number.
# Allowed: failed, crashed, timed out, out of memory
# Checked: ipc, files

import threading

kept = [threading.Semaphore(0) for _ in range(100000)]
try:
    import multiprocessing
    while True:
        kept.append(multiprocessing.Semaphore(1))
except OSError:
    pass
