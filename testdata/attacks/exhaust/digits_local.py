# Tries: writing out a number of which the digits take forever.
# Allowed: failed, crashed, out of memory, timed out
# Checked: neighbours

import sys

if hasattr(sys, "set_int_max_str_digits"):
    sys.set_int_max_str_digits(0)
str(1 << (1 << 26))
