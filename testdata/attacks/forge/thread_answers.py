# Tries: a thread that goes on to answer in place of the harness.
# Allowed: failed, crashed, timed out
# Checked: verdict

import os
import threading

frame = b"t\2\0\0\0s\x08\0\0\0returnedt\2\0\0\0i\5\0\0\0\0\0\0\0N"


def answer():
    while True:
        os.write(3, len(frame).to_bytes(4, "little") + frame)


threading.Thread(target=answer, daemon=True).start()


def add(a, b):
    return 4
