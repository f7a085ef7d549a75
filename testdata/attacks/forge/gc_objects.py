# Tries: rewriting whatever in the process has a name like verdict, expected or passed.
# Allowed: failed, crashed, timed out
# Checked: verdict

import gc

for o in gc.get_objects():
    if type(o) is dict:
        for key in list(o):
            if type(key) is str and any(w in key for w in ("verdict", "expect", "passed", "failed", "result", "check")):
                try:
                    o[key] = True
                except Exception:
                    pass
