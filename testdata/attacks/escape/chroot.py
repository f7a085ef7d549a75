# Tries: leaving the root with chroot and a folder that was open before.
# Allowed: failed
# Checked: secrets, mounts

import ctypes
import posix

libc = ctypes.CDLL(None, use_errno=True)
posix.mkdir("jail")
d = posix.open(".", posix.O_RDONLY)
if libc.chroot(b"jail") == 0:
    posix.fchdir(d)
    for _ in range(50):
        libc.chdir(b"..")
    libc.chroot(b".")
    raise Exception("ESCAPED: %s" % open("@BAIT@").read())
