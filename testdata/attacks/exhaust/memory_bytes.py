# Tries: taking all memory with bytes, caught and tried again.
# Allowed: failed, crashed, out of memory, timed out
# Checked: memory, neighbours

kept = []
size = 1 << 30
while True:
    try:
        kept.append(bytearray(b"x") * size)
    except MemoryError:
        size = max(1, size // 2)
