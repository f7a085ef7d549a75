# Tries: leaving with status 0 when called.
# Allowed: failed, crashed
# Checked: verdict

def add(a, b):
    raise SystemExit(0)
