# Tries: a regular expression that takes forever, in C.
# Allowed: timed out
# Checked: neighbours

import re

re.match("(a*)*b", "a" * 100)
re.match("(a|aa)+$", "a" * 1000 + "b")
