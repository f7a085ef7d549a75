# Tries: an endless stream of large values, which the tester collects.
# Problem: stream
# Allowed: failed, crashed, timed out, out of memory
# Checked: verdict, memory, neighbours

def count(n):
    while True:
        yield "a" * (20 << 20) + "\U0001f600"
