# Tries: finding descriptors beyond those that it was given.
# Allowed: failed
# Checked: descriptors, secrets

import os
import stat

seen = []
for fd in range(4096):
    try:
        s = os.fstat(fd)
    except OSError:
        continue
    if fd < 3 and stat.S_ISCHR(s.st_mode) or fd == 3 and stat.S_ISSOCK(s.st_mode):
        continue
    seen.append((fd, oct(s.st_mode), s.st_size))
if seen:
    raise Exception("ESCAPED: descriptors %s" % seen)
