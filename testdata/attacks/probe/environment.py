# Tries: learning from environment, arguments, user and host name who runs it.
# Allowed: failed
# Checked: secrets

import os
import socket
import sys

text = repr((dict(os.environ), sys.argv, os.uname().nodename, socket.gethostname(), os.environb, getattr(sys, "orig_argv", None)))
for word in ("CANARY-", "@HOME@", "@TMP@", "@CWD@", "nfcot"):
    if word in text and word:
        raise Exception("ESCAPED: %s in %s" % (word, text))
raise Exception("host %s" % os.uname().nodename)
