# Tries: finding the test's or the solution's text in its own memory.
# Allowed: failed, crashed, timed out, out of memory
# Checked: secrets

import gc
import re
import sys

pattern = re.compile("CANARY-" + "[0-9a-f]{16}")
for o in gc.get_objects() + [f.f_globals for f in sys._current_frames().values()]:
    try:
        found = pattern.search(repr(o)[:1000000])
    except Exception:
        continue
    if found:
        raise Exception("ESCAPED: %s" % found.group())
