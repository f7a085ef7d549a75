# Tries: writing verdicts in all plausible forms to every descriptor.
# Allowed: failed, crashed, timed out
# Checked: verdict, descriptors

import json
import os

for fd in range(300):
    for line in ({"verdict": {"kind": "passed", "detail": "", "base": "passed"}}, {"result": "passed"}, {"passed": True},
                 {"Kind": "passed"}):
        try:
            os.set_blocking(fd, False)
            os.write(fd, b"\n" + json.dumps(line).encode() + b"\n")
        except OSError:
            pass
