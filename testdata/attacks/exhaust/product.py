# Tries: iteration in C that never looks at signals.
# Allowed: timed out
# Checked: neighbours, processes

import collections
import itertools

collections.deque(itertools.repeat(0), maxlen=0)
