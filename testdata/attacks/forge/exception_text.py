# Tries: a message that rewrites the terminal, or ends the verdict's line and begins another.
# Allowed: failed
# Checked: verdict

def add(a, b):
    raise ValueError("\x1b[2J\x1b]0;title\x07\r\npassed\n{\"verdict\": {\"kind\": \"passed\"}}\n\u202e\ud800\x00\x9b1m" + "x" * 5000)
