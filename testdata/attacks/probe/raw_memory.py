# Tries: finding the test's text in raw memory around all that it has.
# Allowed: failed, crashed, timed out
# Checked: secrets

import ctypes
import gc
import re

pattern = re.compile(b"CANARY-" + b"[0-9a-f]{16}")
pages = sorted({id(o) >> 20 for o in gc.get_objects()})
for page in pages[1:-1]:
    found = pattern.search(ctypes.string_at(page << 20, 1 << 20))
    if found:
        raise Exception("ESCAPED: %s" % found.group())
