# Tries: a thread that changes the result while it is taken apart, and after.
# Problem: sort
# Allowed: failed, crashed
# Checked: verdict

import threading

result = []


def change():
    while True:
        result[:] = [1, 2, 3] * 1000
        del result[:]


def ordered(values):
    threading.Thread(target=change, daemon=True).start()
    return [result] * 1000
