# Tries: finding the scratch folders of others.
# Allowed: failed
# Checked: secrets

import glob
import os
import posix

os.getcwd = posix.getcwd  # which programs do not have
seen = []
here = os.path.realpath(".")
for pattern in ("../*", "../../*/*", "/tmp/nfcot*", "/tmp/nfcot*/*", "@TMP@/*", "@TMP@/*/*"):
    seen += [p for p in glob.glob(pattern) if os.path.realpath(p) != here and not here.startswith(os.path.realpath(p) + "/") and "/nfcot" in os.path.realpath(p)]
for p in list(seen):
    try:
        seen.append(os.listdir(p))
    except OSError:
        seen.remove(p)
if seen:
    raise Exception("ESCAPED: others %s" % seen)
