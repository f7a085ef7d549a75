# Tries: closing one half of the channel.
# Allowed: failed, crashed, timed out
# Checked: verdict

import socket

s = socket.socket(fileno=3)
s.shutdown(socket.SHUT_RD)
s.detach()
