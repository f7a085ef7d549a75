# Tries: as many bytes as a value may have, of characters that take most memory.
# Problem: text
# Allowed: failed, crashed, timed out, out of memory
# Checked: verdict, memory, neighbours

def backwards(text):
    return "a" * (90 << 20) + "\U0001f600"
