# Tries: using the channels of the process of which this one is a copy: asking it for more, and answering in its place.
# Allowed: failed, crashed
# Checked: neighbours, descriptors

import _socket
import posix

seen = []
for d in range(3, 1100):
    try:
        posix.fstat(d)
    except OSError:
        continue
    if d != 3:
        seen.append(d)
for d in range(4, 1100):
    for number in (0, -1, 1, 4194304):
        try:
            posix.write(d, number.to_bytes(8, "little", signed=True))
            seen.append((d, "written"))
        except OSError:
            pass
    try:
        s = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET, 0, d)
        s.send(b"\0" * 8 + (56).to_bytes(8, "little") + (17).to_bytes(8, "little") + b"\0" * 56)
        s.recvmsg(1 << 16, 1 << 10, _socket.MSG_DONTWAIT)
        seen.append((d, "asked"))
    except OSError:
        pass
for d in range(3, 1100):
    try:
        posix.close(d)
    except OSError:
        pass
if seen:
    raise Exception("ESCAPED: %s" % seen)
