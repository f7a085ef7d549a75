# Tries: subprocess, os.system, os.popen, multiprocessing, pty and what else starts programs.
# Allowed: failed, crashed
# Checked: processes, files

import importlib
import os
import sys

seen = []


def attempt(name, do):
    try:
        result = do()
        if result not in (None, -1) and result not in (32512, 65280, 256):
            seen.append((name, result))
    except BaseException:
        pass


command = "echo > @TMP@/PWNED; echo > /tmp/PWNED"
subprocess = importlib.reload(importlib.import_module("subprocess"))
del sys.modules["os"]
fresh = importlib.import_module("os")
attempt("system", lambda: fresh.system(command))
attempt("posix.system", lambda: importlib.import_module("posix").system(command))
attempt("popen", lambda: fresh.popen(command).read())
attempt("run", lambda: subprocess.run(command, shell=True).returncode)
attempt("spawn", lambda: fresh.spawnlp(0, "sh", "sh", "-c", command))
attempt("posix_spawn", lambda: fresh.posix_spawn("/bin/sh", ["sh", "-c", command], {}))
attempt("_posixsubprocess", lambda: importlib.import_module("_posixsubprocess").fork_exec([b"sh"], [b"/bin/sh"], True, (), None, None, -1, -1, -1, -1, -1, -1, 3, 4, True, False, None, None, None, -1, None))
attempt("pty", lambda: importlib.import_module("pty").spawn(["sh", "-c", command]))


def work():
    context = importlib.import_module("multiprocessing").get_context("fork")
    p = context.Process(target=print)
    p.start()
    p.join(1)
    return p.exitcode


attempt("multiprocessing", work)
if seen:
    raise Exception("ESCAPED: %s" % seen)
