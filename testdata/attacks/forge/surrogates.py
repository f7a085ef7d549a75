# Tries: text that is no text.
# Problem: text
# Allowed: failed
# Checked: verdict

def backwards(text):
    if len(text) > 3:
        raise ValueError("\ud800\udfff" * 100)
    return "\udcff\ud800\x00"
