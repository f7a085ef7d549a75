# Tries: ending, but never to the end.
# Allowed: failed, timed out, crashed
# Checked: processes

import atexit
import sys
import threading
import time

atexit.register(time.sleep, 3600)
threading.Thread(target=time.sleep, args=(3600,)).start()
sys.exit(0)
