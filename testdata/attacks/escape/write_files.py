# Tries: making, changing, removing and renaming files of the host.
# Allowed: failed
# Checked: files

import posix

seen = []
for folder in ["@TMP@", "@HOME@", "@CWD@", "/", "/tmp/..", "/var/tmp", "/dev", "/dev/shm", "/etc", "/root", "/usr/bin", "/run",
               posix.__spec__.origin or "/", "/tmp/nfcot-attack-x"]:
    for name, do in [("PWNED", lambda p: open(p, "w").close()), ("PWNED.d", lambda p: posix.mkdir(p)), ("PWNED.l", lambda p: posix.symlink("/etc/passwd", p))]:
        try:
            do(folder + "/" + name)
            seen.append(folder + "/" + name)
        except OSError:
            pass
for path in ["@BAIT@", "@TMP@/bait", "@HOME@/.netrc", "@CWD@/bait", "/etc/hosts"]:
    for do in [lambda p: open(p, "a").write("PWNED"), lambda p: posix.truncate(p, 0), lambda p: posix.unlink(p), lambda p: posix.rename(p, p + ".PWNED"),
               lambda p: posix.chmod(p, 0), lambda p: posix.chown(p, 1, 1), lambda p: posix.utime(p, (1, 1)), lambda p: posix.link(p, "PWNED"),
               lambda p: posix.setxattr(p, "user.PWNED", b"1")]:
        try:
            do(path)
            seen.append(path)
        except (OSError, AttributeError):
            pass
if seen:
    raise Exception("ESCAPED: wrote %r" % seen)
