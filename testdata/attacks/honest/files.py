# Tries: nothing bad: writes and reads files in its working directory and solves the task.
# Allowed: passed
# Checked: verdict, files

import os

os.mkdir("folder")
with open("PWNED", "w") as f, open("folder/other", "wb") as g:
    f.write("y")
    g.write(bytes(1 << 20))


def add(a, b):
    with open("PWNED") as f:
        return a + b if f.read() == "y" else None
