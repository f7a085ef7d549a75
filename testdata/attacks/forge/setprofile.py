# Tries: a profile function that ends the process quietly when the harness goes on.
# Allowed: failed, crashed
# Checked: verdict

import os
import sys

calls = []


def profile(frame, event, arg):
    calls.append(event)
    if len(calls) > 20:
        os._exit(0)


sys.setprofile(profile)


def add(a, b):
    return a * b
