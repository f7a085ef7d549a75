# Tries: computing without end.
# Allowed: timed out
# Checked: neighbours

while True:
    try:
        while True:
            pass
    except BaseException:
        pass
