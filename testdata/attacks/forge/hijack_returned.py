# Tries: making the harness in the process encode an answer of the program's choice: that the check has been done.
# Allowed: failed, crashed
# Checked: verdict

import sys

frame = sys._getframe()
while frame is not None:
    g = frame.f_globals
    if "REQUESTS" in g:
        g["REQUESTS"] = {name: (lambda *args: (True, args)) for name in g["REQUESTS"]}
    frame = frame.f_back
