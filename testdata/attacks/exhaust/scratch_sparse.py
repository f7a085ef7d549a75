# Tries: files that are huge and empty.
# Allowed: failed, crashed, timed out
# Checked: files

import posix

fd = posix.open("file", posix.O_RDWR | posix.O_CREAT)
for size in (1 << 62, 1 << 50, 1 << 40, 1 << 33, 1 << 30):
    for do in (posix.ftruncate, lambda f, s: posix.posix_fallocate(f, 0, s), lambda f, s: posix.pwrite(f, b"x", s)):
        try:
            do(fd, size)
            raise Exception("ESCAPED: a file of %d bytes" % size)
        except OSError:
            pass
