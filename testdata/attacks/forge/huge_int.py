# Tries: an integer of sixteen million bits.
# Allowed: failed, crashed, timed out
# Checked: verdict, memory

def add(a, b):
    return 1 << (1 << 24)
