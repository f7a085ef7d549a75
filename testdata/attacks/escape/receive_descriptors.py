# Tries: getting descriptors out of the channel with the requests.
# Allowed: failed, crashed, timed out
# Checked: descriptors

import posix
import socket

s = socket.socket(fileno=3)
frame = b"t\2\0\0\0s\x08\0\0\0returnedN"
posix.write(3, len(frame).to_bytes(4, "little") + frame)
data, ancillary, flags, address = s.recvmsg(1 << 16, 1 << 16)
if ancillary:
    raise Exception("ESCAPED: %r" % ancillary)
