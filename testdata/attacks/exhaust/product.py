# Tries: iteration in C that never looks at signals.
# Allowed: timed out
# Checked: neighbours, processes

import collections
import itertools

collections.deque(itertools.product(range(100), repeat=1000), maxlen=0)
