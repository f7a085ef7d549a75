"""Describes this interpreter to nfcot, and compiles for it what its processes will run."""

import base64
import json
import marshal
import os
import sys
import sysconfig


def libraries():
    """Returns the folders from which shared libraries have been loaded, where the system can say so."""
    try:
        with open("/proc/self/maps") as maps:
            fields = [line.split(None, 5) for line in maps]
    except OSError:
        return []
    return [os.path.dirname(f[5].rstrip("\n")) for f in fields if len(f) == 6 and f[5].startswith("/") and ".so" in f[5]]


def main():
    programs = {
        program: base64.b64encode(marshal.dumps([
            (name, compile(source, "<nfcot %s>" % name, "exec", 0, True)) for name, source in modules])).decode()
        for program, modules in json.load(sys.stdin).items()}
    paths = sysconfig.get_paths()
    executable = os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)
    json.dump({
        "implementation": sys.implementation.name,
        "version": list(sys.version_info[:3]),
        "executable": executable,
        "files": sorted({executable, paths["stdlib"], paths["platstdlib"], *libraries()}),
        "programs": programs,
    }, sys.stdout)


main()
