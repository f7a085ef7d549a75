# Tries: changing the interpreter's modules, so that the next program runs with them.
# Allowed: failed
# Checked: files, neighbours

import os
import sys
import sysconfig

seen = []
folders = {sysconfig.get_path(n) for n in ("stdlib", "purelib", "platlib", "scripts", "data")} | set(sys.path) | {os.path.dirname(os.__file__), os.path.dirname(sys.executable)}
for folder in folders:
    for name in ("sitecustomize.py", "usercustomize.py", "PWNED.pth", "__pycache__/os.PWNED.pyc", "json.py", "PWNED.py"):
        try:
            with open(os.path.join(folder, name), "a") as f:
                f.write("# PWNED\n")
            seen.append(os.path.join(folder, name))
        except OSError:
            pass
for path in [os.__file__, sys.executable] + [os.path.join(os.path.dirname(os.__file__), "__pycache__", n) for n in ("os.cpython-311.pyc", "enum.cpython-311.pyc")]:
    for mode in ("r+b", "ab"):
        try:
            open(path, mode).close()
            seen.append(path)
        except OSError:
            pass
if seen:
    raise Exception("ESCAPED: wrote %s" % seen)
