# Tries: recursion in C: nested parentheses, deep comparison, deep representation.
# Allowed: failed, crashed, out of memory, timed out
# Checked: neighbours

import sys

sys.setrecursionlimit(1 << 30)
value = other = None
for _ in range(1000000):
    value, other = (value,), (other,)
value == other
repr(value)
