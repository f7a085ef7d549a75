# Tries: learning from environment, arguments, user and host name who runs it.
# Allowed: failed
# Checked: secrets

import os
import socket
import sys

scratch = os.environ.get("TMPDIR", "/tmp")  # its own, wherever that is
text = repr(({k: v for k, v in os.environ.items() if v != scratch}, sys.argv, os.uname().nodename, socket.gethostname(), getattr(sys, "orig_argv", None)))
for word in ("CANARY-", "@HOME@", "@TMP@", "@CWD@", "nfcot"):
    if word in text and word:
        raise Exception("ESCAPED: %s in %s" % (word, text))
raise Exception("host %s" % os.uname().nodename)
