# Tries: names that break lists, terminals and text.
# Allowed: failed, crashed
# Checked: files, verdict

import posix

for name in (b"\xff\xfe", b"a\nb", b"\x1b[2J", b"-rf", b"*", b" ", b"x" * 255, "\u202e\U0001f600".encode(), b"$(reboot)", b"'\"`", b"nfcot-sandbox-1"):
    try:
        posix.mkdir(name)
        posix.close(posix.open(name + b"/" + name, posix.O_CREAT))
    except OSError:
        pass
