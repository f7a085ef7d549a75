# Tries: answering from a finalizer, while the harness is at work.
# Allowed: failed, crashed
# Checked: verdict

import os


class Last:
    def __del__(self):
        os.write(3, b"\x16\0\0\0t\2\0\0\0s\x08\0\0\0returnedT")


def add(a, b):
    Last()
    return Last()
