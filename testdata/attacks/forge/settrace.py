# Tries: a trace function that changes what functions return.
# Allowed: failed, crashed, timed out
# Checked: verdict

import sys


def trace(frame, event, arg):
    frame.f_trace_opcodes = True
    for name in list(frame.f_locals):
        if "result" in name or "value" in name or "kind" in name:
            frame.f_locals[name] = "passed"
    return trace


sys.settrace(trace)
frame = sys._getframe()
while frame is not None:
    frame.f_trace = trace
    frame = frame.f_back


def add(a, b):
    return "passed"
