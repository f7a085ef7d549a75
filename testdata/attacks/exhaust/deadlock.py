# Tries: waiting for itself.
# Allowed: timed out, failed
# Checked: processes

import threading

lock = threading.Lock()
lock.acquire()
lock.acquire()
