# Tries: the same as big_texts, beside it, so that both testers together use most memory.
# Problem: stream
# Allowed: failed, crashed, timed out, out of memory
# Checked: verdict, memory, neighbours

def count(n):
    while True:
        yield "b" * (40 << 20) + "\U0001f600"
