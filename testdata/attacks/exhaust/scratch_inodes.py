# Tries: files without number.
# Allowed: failed, crashed, timed out
# Checked: files

i = 0
while True:
    open("%d" % i, "w").close()
    i += 1
