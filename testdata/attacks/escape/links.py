# Tries: getting out over symbolic links, descriptors of folders, and too many dots.
# Allowed: failed
# Checked: secrets

import posix

seen = []
posix.symlink("/", "root")
posix.symlink("@BAIT@", "bait")
posix.symlink("../" * 30 + "@BAIT@", "dots")
posix.symlink("/proc/self/root@BAIT@", "proc")
for path in ["bait", "dots", "root@BAIT@", "proc", "../" * 40 + "@BAIT@", "root/proc/self/cwd/../../../../../@BAIT@"]:
    for flags in (posix.O_RDONLY, posix.O_RDWR, posix.O_RDWR | posix.O_CREAT):
        try:
            seen.append(posix.read(posix.open(path, flags), 100))
        except OSError:
            pass
try:
    d = posix.open("/", posix.O_PATH)
    posix.fchdir(d)
    seen.append(open("." + "@BAIT@").read())
except OSError:
    pass
if any(seen):
    raise Exception("ESCAPED: %r" % seen)
