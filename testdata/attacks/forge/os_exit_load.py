# Tries: ending the process at once with status 0.
# Allowed: failed, crashed
# Checked: verdict

import os

os._exit(0)
