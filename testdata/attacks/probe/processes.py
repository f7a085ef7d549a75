# Tries: finding other processes, and what they were started with.
# Allowed: failed
# Checked: secrets

import os

seen = []
for pid in [1, 2, os.getppid(), int("0@PID@")] + list(range(3, 50)):
    if pid in (0, os.getpid()):
        continue
    for name in ("cmdline", "environ", "maps", "status", "mem", "cwd/bait", "root/etc/passwd", "fd/0"):
        try:
            seen.append((pid, open("/proc/%d/%s" % (pid, name), "rb").read(30)))
        except OSError:
            pass
if seen:
    raise Exception("ESCAPED: %s" % seen[:3])
