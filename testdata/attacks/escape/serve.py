# Tries: listening, on addresses and in folders.
# Allowed: failed
# Checked: network

import socket

seen = []
for family, address in [(socket.AF_INET, ("127.0.0.1", 0)), (socket.AF_INET6, ("::1", 0)), (socket.AF_UNIX, "\0PWNED"), (socket.AF_UNIX, "PWNED.socket")]:
    try:
        s = socket.socket(family)
        s.bind(address)
        s.listen()
        seen.append(address)
    except OSError:
        pass
try:
    s = socket.socket(fileno=3)
    s.bind("\0PWNED")
    seen.append("the channel has a name")
except OSError:
    pass
s.detach()
if seen:
    raise Exception("ESCAPED: listens %s" % seen)
