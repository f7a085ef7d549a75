# Tries: flooding standard output and error, past Python's own files.
# Allowed: failed, crashed, timed out
# Checked: memory, verdict

import os

for _ in range(20000):
    for fd in (1, 2):
        os.write(fd, b"\x1b]0;PWNED\x07" * 8192)
