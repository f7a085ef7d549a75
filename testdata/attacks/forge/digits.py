# Tries: an exception whose argument has as many digits as the protocol takes, which someone will print.
# Allowed: failed, crashed, timed out
# Checked: verdict

import sys

if hasattr(sys, "set_int_max_str_digits"):
    sys.set_int_max_str_digits(0)


def add(a, b):
    raise ValueError(1 << 1040000)
