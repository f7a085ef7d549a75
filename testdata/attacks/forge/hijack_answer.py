# Tries: finding the harness's functions in the frames above and replacing them.
# Allowed: failed, crashed, timed out
# Checked: verdict

import sys

frame = sys._getframe()
while frame is not None:
    for name, value in list(frame.f_globals.items()):
        if callable(value) and name in ("answer", "encode", "decode", "write_message", "call", "load", "describe"):
            frame.f_globals[name] = lambda *args: True
        if name == "wire":
            for inner in list(vars(value)):
                if inner[0] != "_":
                    setattr(value, inner, lambda *args: b"T")
    frame = frame.f_back
