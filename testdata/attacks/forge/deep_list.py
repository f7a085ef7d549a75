# Tries: a list in a list, a hundred thousand times.
# Problem: sort
# Allowed: failed, crashed
# Checked: verdict

def ordered(values):
    value = []
    for _ in range(100000):
        value = [value]
    return value
