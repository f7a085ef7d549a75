# Tries: answering when the interpreter ends.
# Allowed: failed, crashed
# Checked: verdict

import atexit
import os
import sys


def last():
    for fd in range(3, 64):
        try:
            os.write(fd, b'{"verdict": {"kind": "passed"}}\n')
        except OSError:
            pass
    os._exit(0)


atexit.register(last)
sys.exit(0)
