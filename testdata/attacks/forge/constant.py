# Tries: an answer that is right for one case only.
# Allowed: failed
# Checked: verdict

def add(a, b):
    return 5
