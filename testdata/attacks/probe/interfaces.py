# Tries: learning about the network.
# Allowed: failed
# Checked: network

import socket

seen = []
for do in (socket.if_nameindex, lambda: socket.gethostbyname(socket.gethostname()), lambda: open("/proc/net/tcp").read(), lambda: open("/etc/resolv.conf").read()):
    try:
        seen.append(do())
    except OSError:
        pass
if seen and seen != [[(1, "lo")]]:
    raise Exception("ESCAPED: %s" % seen)
