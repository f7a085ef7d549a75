# Tries: a small value that is huge when written out: each level twice in the next.
# Problem: sort
# Allowed: failed, crashed, timed out, out of memory
# Checked: verdict, memory

def ordered(values):
    value = ["x" * 1000]
    for _ in range(40):
        value = [value, value]
    return value
