# Tries: threads without number.
# Allowed: failed, crashed, out of memory, timed out
# Checked: neighbours, processes

import threading
import time

kept = []
while True:
    t = threading.Thread(target=time.sleep, args=(3600,))
    t.start()
    kept.append(t)
