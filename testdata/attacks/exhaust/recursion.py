# Tries: recursion without end, and without the interpreter's limit.
# Allowed: failed, crashed, out of memory, timed out
# Checked: neighbours

import sys

sys.setrecursionlimit(1 << 30)


def add(a, b):
    return add(a, b)
