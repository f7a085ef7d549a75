# Tries: keeping locks on files that everybody shares.
# Allowed: failed, timed out
# Checked: neighbours

import fcntl
import os
import sys
import time

held = []
for path in (os.__file__, sys.executable, "/dev/null", "/dev/urandom"):
    f = open(path, "rb")
    held.append(f)
    for do in (fcntl.flock, fcntl.lockf):
        try:
            do(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pass
    try:
        fcntl.fcntl(f, 1024, 1)
        raise Exception("ESCAPED: a lease on %s" % path)
    except OSError:
        pass
time.sleep(0.2)
