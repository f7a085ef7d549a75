# Tries: reading files of the host.
# Allowed: failed
# Checked: secrets, files

import glob

seen = []
for path in ["@BAIT@", "@TMP@/bait", "@HOME@/.netrc", "@CWD@/bait", "/etc/passwd", "/etc/shadow", "/etc/hostname",
             "/proc/self/environ", "/proc/1/environ", "/proc/@PID@/environ", "/proc/cmdline", "/proc/version", "/proc/self/mem",
             "/proc/self/maps", "/sys/kernel/notes", "/dev/mem", "/dev/kmsg", "/dev/tty", "/dev/vda", "/dev/sda", "/etc/machine-id",
             "/proc/sys/kernel/random/boot_id"] + glob.glob("/home/*/.ssh/*") + glob.glob("/tmp/*/*") + glob.glob("/*/.*rc"):
    try:
        with open(path, "rb") as f:
            seen.append((path, f.read(64)))
    except OSError:
        pass
if seen:
    raise Exception("ESCAPED: read %r" % seen)
