# Tries: names and symbolic links without number, in circles.
# Allowed: failed, crashed, timed out
# Checked: files

import posix

open("file", "w").close()
i = 0
while True:
    posix.symlink("%d" % (i + 1), "%d" % i)
    posix.link("file", "h%d" % i)
    i += 1
