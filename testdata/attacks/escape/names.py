# Tries: looking names up, which sends packets.
# Allowed: failed, timed out
# Checked: network

import socket

for name in ("example.com", "localhost"):
    try:
        raise Exception("ESCAPED: %s" % socket.getaddrinfo(name, 80))
    except OSError:
        pass
