# Tries: calling listeners on the host: TCP, UDP, Unix sockets with and without a path.
# Allowed: failed, crashed
# Checked: network

import socket

seen = []
for family, kind, address in [(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", int("0@TCP@"))), (socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", int("0@UDP@"))),
                              (socket.AF_UNIX, socket.SOCK_STREAM, "@UNIX@"), (socket.AF_UNIX, socket.SOCK_STREAM, "\0@ABSTRACT@"),
                              (socket.AF_UNIX, socket.SOCK_DGRAM, "@UNIX@.dgram"), (socket.AF_INET, socket.SOCK_STREAM, ("1.1.1.1", 53)), (socket.AF_UNIX, socket.SOCK_STREAM, "/run/docker.sock"),
                              (socket.AF_UNIX, socket.SOCK_DGRAM, "/dev/log"), (socket.AF_UNIX, socket.SOCK_STREAM, "/run/dbus/system_bus_socket")]:
    try:
        s = socket.socket(family, kind)
        s.settimeout(0.2)
        s.connect(address)
        s.send(b"x")
        seen.append(address)
    except OSError:
        pass
if seen:
    raise Exception("ESCAPED: called %s" % seen)
