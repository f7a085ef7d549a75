# Tries: the same as texts, beside it, so that several testers together use most memory.
# Problem: stream
# Allowed: failed, crashed, timed out, out of memory
# Checked: verdict, memory, neighbours

def count(n):
    value = "b" * (5 << 20) + "\U0001f600"
    while True:
        yield value
