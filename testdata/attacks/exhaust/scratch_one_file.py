# Tries: one file without end.
# Allowed: failed, crashed, timed out
# Checked: files

with open("file", "wb") as f:
    while True:
        f.write(b"x" * (1 << 20))
