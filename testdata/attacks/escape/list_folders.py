# Tries: listing folders of the host.
# Allowed: failed
# Checked: secrets

import os

seen = []
for path in ["@TMP@", "@HOME@", "@CWD@", "/root", "/home", "/etc", "/proc", "/proc/self", "/proc/1", "/proc/@PID@/fd", "/proc/self/fd", "/sys",
             "/dev/shm", "/var", "/run", "/mnt", "/opt", "/boot", "/work", "/srv", "/usr/bin", "/proc/self/root", "/proc/1/root", "/tmp/..",
             "/.host", "/usr/share"]:
    try:
        names = os.listdir(path)
        if names and not (path == "/tmp/.." and set(names) <= {"tmp", "dev", "usr", "lib", "lib64", "bin", "etc"}):
            seen.append((path, names[:3]))
    except OSError:
        pass
if seen:
    raise Exception("ESCAPED: listed %r" % seen)
