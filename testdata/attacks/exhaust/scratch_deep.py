# Tries: folders in folders, deeper than any path.
# Allowed: failed, crashed, timed out
# Checked: files

import posix

for i in range(5000):
    posix.mkdir("d" * 200)
    posix.chdir("d" * 200)
open("PWNED", "w").close()
