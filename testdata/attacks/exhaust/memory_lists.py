# Tries: taking all memory with lists.
# Allowed: failed, crashed, out of memory, timed out
# Checked: memory, neighbours

kept = []
while True:
    kept.append([0] * 1000000)
