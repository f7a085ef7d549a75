# Tries: an iterator without an end.
# Problem: stream
# Allowed: failed, crashed, timed out, out of memory
# Checked: verdict, neighbours

def count(n):
    i = 0
    while True:
        yield i
        i += 1
