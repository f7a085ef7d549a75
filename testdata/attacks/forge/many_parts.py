# Tries: as many parts as a value may have.
# Problem: sort
# Allowed: failed, crashed, timed out, out of memory
# Checked: verdict, memory, neighbours

def ordered(values):
    return [[], ()] * 900000
