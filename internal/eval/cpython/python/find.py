"""Describes this interpreter to nfcot, and compiles for it what its processes will run.

It imports nothing but the standard library, and runs nothing of what is installed: the folders of packages are named
here and looked into in the sandbox.
"""

import base64
import json
import marshal
import os
import site  # which does nothing when it is imported under -S
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


def environment():
    """Returns the pyvenv.cfg of the virtual environment that this interpreter is of, and what it says; None without one."""
    bin = os.path.dirname(os.path.abspath(sys.executable))
    for folder in bin, os.path.dirname(bin):
        file = os.path.join(folder, "pyvenv.cfg")
        if os.path.isfile(file):
            with open(file, encoding="utf-8") as f:
                pairs = [line.partition("=") for line in f if "=" in line]
            return file, {key.strip().lower(): value.strip() for key, _, value in pairs}
    return None, {}


def packages():
    """Returns the folders of installed packages, and what else they need: a virtual environment's, or the interpreter's."""
    file, settings = environment()
    base = sys.prefix
    folders = []
    if file is not None:
        sys.prefix = sys.exec_prefix = os.path.dirname(file)
        folders = site.getsitepackages([sys.prefix])
        sys.prefix = sys.exec_prefix = base
    if settings.get("include-system-site-packages", "true").lower() == "true":
        folders += site.getsitepackages([base])
    libraries = sysconfig.get_config_var("LIBDIR")  # of an installation that has its own, as conda's
    return [f for f in folders if os.path.isdir(f)], [f for f in (file, libraries) if f is not None and os.path.exists(f)]


def distributions(folders):
    """Returns name and version of what is installed, by the names of its metadata."""
    names = {name[:-len(".dist-info")] for folder in folders for name in os.listdir(folder) if name.endswith(".dist-info")}
    return sorted(name.replace("-", " ", 1) for name in names)


def main():
    order = json.load(sys.stdin)
    folders, needed = packages() if order["packages"] else ([], [])
    paths = sysconfig.get_paths()
    executable = os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)
    json.dump({
        "implementation": sys.implementation.name,
        "version": list(sys.version_info[:3]),
        "executable": executable,
        "files": sorted({executable, paths["stdlib"], paths["platstdlib"], *libraries(), *folders, *needed}),
        "standard": sorted(getattr(sys, "stdlib_module_names", ())),
        "packages": distributions(folders),
    }, sys.stdout)
    sys.stdout.flush()  # so that the programs are compiled while the sandbox is opened
    compiled = {}  # by name
    programs = {}
    for program, modules in order["programs"].items():
        for name, source in modules:
            if name not in compiled:
                compiled[name] = compile(source, "<nfcot %s>" % name, "exec", 0, True)
        code = marshal.dumps((folders, [(name, compiled[name]) for name, _ in modules]))
        programs[program] = base64.b64encode(code).decode()
    json.dump(programs, sys.stdout)


main()
