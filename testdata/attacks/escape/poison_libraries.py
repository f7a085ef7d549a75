# Tries: loading a library from its scratch folder, and having others load it.
# Allowed: failed, crashed
# Checked: files

import ctypes
import glob
import posix

seen = []
source = (glob.glob("/usr/lib/*/libm.so.6") + glob.glob("/lib/*/libm.so.6") + glob.glob("/lib64/libm.so.6"))[0]
with open(source, "rb") as f, open("PWNED.so", "wb") as g:
    g.write(f.read())
try:
    ctypes.CDLL("./PWNED.so")
    seen.append("executes from scratch")
except OSError:
    pass
for path in ("/etc/ld.so.preload", "/etc/ld.so.cache", "/etc/ld.so.conf", source):
    try:
        posix.open(path, posix.O_WRONLY | posix.O_CREAT)
        seen.append(path)
    except OSError:
        pass
if seen and seen != ["executes from scratch"]:
    raise Exception("ESCAPED: %s" % seen)
