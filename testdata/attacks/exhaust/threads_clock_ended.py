# Tries: slowing its clock with threads that end when their waiting has been counted.
# Allowed: timed out, crashed, failed
# Checked: neighbours, processes

import hashlib
import threading

threading.stack_size(1 << 16)


def work():
    hashlib.pbkdf2_hmac("sha256", b"x" * 1000, b"y", 1 << 13)


while True:
    some = [threading.Thread(target=work) for _ in range(40)]
    try:
        for t in some:
            t.start()
    except RuntimeError:
        pass
    for t in some:
        if t.ident:
            t.join()
