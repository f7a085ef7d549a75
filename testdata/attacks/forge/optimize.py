# Tries: switching assertions off, for what is compiled from now on.
# Allowed: failed, crashed
# Checked: verdict

import ctypes

for name in ("Py_OptimizeFlag", "Py_IgnoreEnvironmentFlag"):
    try:
        ctypes.c_int.in_dll(ctypes.pythonapi, name).value = 2
    except (ValueError, OSError):
        pass


def add(a, b):
    return -1
