# Tries: importing everything there is.
# Allowed: failed, crashed, timed out, out of memory
# Checked: files, processes

import sys

for name in sorted(getattr(sys, "stdlib_module_names", ())):
    if name not in ("this", "antigravity", "idlelib"):
        try:
            __import__(name)
        except BaseException:
            pass
