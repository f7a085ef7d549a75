# Tries: formats of huge width.
# Allowed: failed, crashed, out of memory, timed out
# Checked: memory

kept = []
for i in range(1000):
    kept.append("%0999999999d" % 1)
    kept.append(f"{1:>1999999999}")
