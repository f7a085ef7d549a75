# Tries: leaving a core of itself.
# Allowed: crashed
# Checked: files

import ctypes

ctypes.string_at(0)
