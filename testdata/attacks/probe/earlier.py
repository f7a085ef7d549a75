# Tries: finding what an earlier program of the same evaluation has left, and leaving something for the next.
# Allowed: failed, crashed
# Checked: neighbours, files, secrets

import builtins
import gc
import json
import os
import posix
import random
import re
import string
import sys
import typing

MARK = "PWN" "ED"
seen = []
if hasattr(builtins, MARK) or len.__class__.__name__ != "builtin_function_or_method":
    seen.append("builtins")
for module in list(sys.modules.values()):
    if hasattr(module, MARK):
        seen.append(module.__name__)
if MARK.encode() in vars(os.environ)["_data"] or MARK.encode() in posix.environ:
    seen.append("environment")
if json.dumps([1]) != "[1]" or string.digits != "0123456789" or random.random is None or re.sub("a", "b", "a") != "b":
    seen.append("functions")
for o in gc.get_objects():
    if type(o) is dict and dict.get(o, MARK) == "left":
        seen.append("an object")
for folder in (".", "/tmp", "/dev/shm", "/var/tmp", "/run"):
    try:
        seen += [n for n in posix.listdir(folder) if MARK in n]
    except OSError:
        pass
if seen:
    raise Exception("ESCAPED: %s" % seen)

for module in list(sys.modules.values()):
    try:
        setattr(module, MARK, "left")
    except Exception:
        pass
setattr(builtins, MARK, "left")
posix.environ[MARK.encode()] = b"left"
vars(os.environ)["_data"][MARK.encode()] = b"left"
kept = {MARK: "left"}
gc.freeze()
for folder in (".", "/tmp", "/dev/shm"):
    try:
        open(folder + "/" + MARK, "w").close()
    except Exception:
        pass
string.digits = "9876543210"
json.dumps = re.sub = random.random = typing.List = lambda *a, **k: None
for finder in sys.meta_path:
    try:
        vars(sys.modules[finder.__module__])["aside"].clear()
    except Exception:
        pass
builtins.len = builtins.sum = builtins.sorted = builtins.__import__ = lambda *a, **k: None
sys.meta_path.clear()
sys.path.clear()
posix.umask(0o777)
posix.chdir("/")
