# Tries: the same as scratch, after it.
# Allowed: failed
# Checked: secrets, files

import os

here = os.listdir(".")
if here:
    raise Exception("ESCAPED: found %s" % here)
with open("PWNED", "w") as f:
    f.write("again")
