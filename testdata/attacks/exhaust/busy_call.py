# Tries: computing without end in the second call.
# Allowed: timed out
# Checked: neighbours

def add(a, b):
    while a != 2:
        pass
    return 5
