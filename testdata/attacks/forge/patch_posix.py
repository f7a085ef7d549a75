# Tries: replacing the calls with which the harness reads and writes.
# Allowed: failed, crashed, timed out
# Checked: verdict

import posix

old = posix.write
frame = b't\2\0\0\0s\x08\0\0\0returnedt\2\0\0\0TN'
posix.write = lambda fd, data: (old(fd, len(frame).to_bytes(4, "little") + frame), len(data))[1]
