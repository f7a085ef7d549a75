# Tries: an object and bytes that run code where they are unpickled.
# Problem: text
# Allowed: failed
# Checked: verdict, files

class Payload:
    def __reduce__(self):
        return eval, ("open('@TMP@/PWNED', 'w') or exit(0)",)


def backwards(text):
    if text == "abc":
        return b"cbuiltins\neval\n(S\"open('@TMP@/PWNED', 'w')\"\ntR."
    return Payload()
