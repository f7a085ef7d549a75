# Tries: never reading, so that the tester waits to write.
# Allowed: timed out
# Checked: neighbours

import time

time.sleep(3600)
