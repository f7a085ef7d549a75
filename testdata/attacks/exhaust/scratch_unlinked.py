# Tries: filling the disk with files that have no name.
# Allowed: failed, crashed, timed out, out of memory
# Checked: files, descriptors

import posix

kept = []
while True:
    fd = posix.open("file", posix.O_RDWR | posix.O_CREAT)
    posix.unlink("file")
    kept.append(fd)
    for _ in range(30):
        posix.write(fd, b"x" * (1 << 20))
