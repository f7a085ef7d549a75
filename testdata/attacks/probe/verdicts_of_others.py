# Tries: finding the channel of a neighbour or the tester by writing to low descriptors and waiting.
# Allowed: failed, crashed, timed out
# Checked: neighbours

import os
import select

poll = select.poll()
for fd in list(range(0, 3)) + list(range(4, 256)):
    poll.register(fd, select.POLLIN | select.POLLOUT | select.POLLHUP)
for fd, event in poll.poll(0):
    if event & ~select.POLLNVAL and fd > 3:
        os.write(fd, b'{"verdict": {"kind": "passed"}}\n')
        raise Exception("ESCAPED: descriptor %d" % fd)
