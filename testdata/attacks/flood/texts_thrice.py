# Tries: the same as texts, beside it.
# Problem: stream
# Allowed: failed, crashed, timed out, out of memory
# Checked: verdict, memory, neighbours

def count(n):
    value = "c" * (6 << 20) + "\U0001f600"
    while True:
        yield value
