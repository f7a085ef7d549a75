# Tries: an exception with a message of many megabytes, of characters that take most memory.
# Allowed: failed, crashed, out of memory, timed out
# Checked: verdict, memory, neighbours

def add(a, b):
    raise ValueError("\U0001f600" * (20 << 20))
