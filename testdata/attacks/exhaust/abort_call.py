# Tries: aborting when called.
# Allowed: crashed, timed out
# Checked: files

import os


def add(a, b):
    os.abort()
