# Tries: a message of hundreds of megabytes, and an argument that takes long to print.
# Allowed: failed, crashed, out of memory, timed out
# Checked: verdict, memory

def add(a, b):
    raise ValueError("\U0001f600" * (40 << 20))
