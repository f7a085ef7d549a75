# Tries: slowing its clock: many threads that all want a processor make it look as if it waited.
# Allowed: timed out, crashed
# Checked: neighbours, processes

import hashlib
import threading

threading.stack_size(1 << 16)


def work():
    while True:
        hashlib.pbkdf2_hmac("sha256", b"x" * 1000, b"y", 1 << 22)


for _ in range(50):
    threading.Thread(target=work, daemon=True).start()
work()
