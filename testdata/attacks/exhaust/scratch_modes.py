# Tries: files and folders that nobody may enter or remove.
# Allowed: failed, crashed
# Checked: files

import posix

posix.mkdir("a")
posix.mkdir("a/b")
posix.mkdir("a/b/c")
open("a/b/c/file", "w").close()
for path in ("a/b/c/file", "a/b/c", "a/b", "a", "."):
    try:
        posix.chmod(path, 0)
    except OSError:
        pass
posix.umask(0o777)
for i in range(10):
    try:
        posix.mkdir("x%d" % i)
    except OSError:
        pass
