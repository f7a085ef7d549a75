# Tries: threads with stacks as large as the memory, all used.
# Allowed: failed, crashed, timed out, out of memory
# Checked: memory

import sys
import threading

sys.setrecursionlimit(1 << 30)
threading.stack_size(1 << 28)


def deep(n):
    return repr([n]) + deep(n + 1)


kept = []
while True:
    t = threading.Thread(target=deep, args=(0,))
    t.start()
    kept.append(t)
