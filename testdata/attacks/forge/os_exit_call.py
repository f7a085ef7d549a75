# Tries: ending the process with status 0 when called.
# Allowed: failed, crashed
# Checked: verdict

import os


def add(a, b):
    os._exit(0)
