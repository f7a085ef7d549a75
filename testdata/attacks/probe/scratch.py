# Tries: finding what other programs left in the scratch folder, and leaving something for the next.
# Allowed: failed
# Checked: secrets, files

import os

here = os.listdir(".")
if here:
    raise Exception("ESCAPED: found %s" % here)
for name in ("PWNED", "sitecustomize.py", "json.py", "wire.py"):
    with open(name, "w") as f:
        f.write("raise SystemExit(0)\n")
