# Tries: patching the modules with which a harness talks and compares.
# Allowed: failed, crashed, timed out
# Checked: verdict

import json
import marshal
import math
import pickle
import struct
import sys

for module in (json, marshal, math, pickle, struct):
    for name in list(vars(module)):
        if not name.startswith("__"):
            try:
                setattr(module, name, lambda *args, **kwargs: True)
            except Exception:
                pass
for name in ("wire", "candidate", "tester", "humaneval", "serve", "posix"):
    sys.modules[name] = sys.modules[__name__] if __name__ in sys.modules else json


def add(a, b):
    return True
