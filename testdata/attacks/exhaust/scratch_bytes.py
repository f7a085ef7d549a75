# Tries: filling the disk.
# Allowed: failed, crashed, timed out, out of memory
# Checked: files, memory

block = b"x" * (1 << 20)
i = 0
while True:
    with open("file%d" % i, "wb") as f:
        try:
            for _ in range(100):
                f.write(block)
        except OSError:
            if i > 100:
                raise
    i += 1
