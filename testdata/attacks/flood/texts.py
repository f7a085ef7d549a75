# Tries: an endless stream of large values, which the tester collects.
# Problem: stream
# Allowed: failed, crashed, timed out, out of memory
# Checked: verdict, memory, neighbours

def count(n):
    value = "a" * (4 << 20) + "\U0001f600"
    while True:
        yield value
