"""The candidate's process: runs one program, and then calls its functions as the tester asks.

Everything here shares a process with a program that may be hostile, and nothing that it answers is trusted. It has to
be right for honest programs only. The tester's half, which says what the requests mean, is in tester.py.
"""

import builtins
import io
import marshal
import os  # which modules may expect to be there
import sys

import lcb_candidate
import posix
import preload
import semaphores
import wire
from time import monotonic

CHANNEL = 3

# Answers to cases are sent together, but not after wire.PATIENCE, or where there are more bytes.
MOST_KEPT = 1 << 16

# What the reference harnesses take away from programs. Using it is a failure there, so that verdicts depend on it.
TAKEN_AWAY = {
    "os": ("kill", "system", "putenv", "remove", "removedirs", "rmdir", "fchdir", "setuid", "fork", "forkpty", "killpg",
           "rename", "renames", "truncate", "replace", "unlink", "fchmod", "fchown", "chmod", "chown", "chroot",
           "lchflags", "lchmod", "lchown", "getcwd", "chdir"),
    "shutil": ("rmtree", "move", "chown"),
    "subprocess": ("Popen",),
}
NO_MODULES = ("ipdb", "joblib", "resource", "psutil", "tkinter")
NO_BUILTINS = ("exit", "quit", "help")
LCB_NO_BUILTINS = ("quit", "help")

# Builtins that module site makes. It is loaded for programs that have these words.
PRINTERS = ("copyright", "credits", "license")

UNCHANGEABLE = (type(None), bool, int, float, complex, str, bytes)


MISSING = object()

originals = {}  # of what is taken away: module and name -> what stood there


def take_away():
    for (module, name), original in list(originals.items()):
        if vars(module).get(name, MISSING) is original:
            setattr(module, name, None)


def give_back():
    for (module, name), original in list(originals.items()):
        if vars(module).get(name, MISSING) is None:
            if original is MISSING:
                delattr(module, name)
            else:
                setattr(module, name, original)


def remember(module):
    for name in TAKEN_AWAY[module.__name__]:
        originals[module, name] = vars(module).get(name, MISSING)


def imported_before(spec):
    """Whether a module is one that the reference harnesses have imported: the standard library's, or one of their own needs."""
    origin = spec.origin or ""
    installed = "site-packages" in origin or "dist-packages" in origin
    return not installed or spec.name.partition(".")[0] in ("numpy", "tqdm")


class Importing:
    """An import hook: such modules are imported as if nothing were taken away.

    The reference harnesses have imported the standard library, as far as it minds, before they take anything away, so
    that its modules keep what they took of os. To import it all here beforehand would take longer than most programs.
    """

    under_way = []  # modules
    temporary_folder = True  # whether tempfile has looked for its folder by then

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        spec = preload.BringingBack.find_spec(name)
        if spec is not None:
            return spec
        for finder in sys.meta_path:
            find = None if finder is cls else getattr(finder, "find_spec", None)
            spec = find and find(name, path, target)
            if spec is not None:
                if spec.loader is not None and imported_before(spec):
                    spec.loader = cls(spec.loader)
                return spec
        return None

    def __init__(self, loader):
        self.loader = loader

    def __getattr__(self, name):
        return getattr(self.loader, name)

    def create_module(self, spec):
        return self.loader.create_module(spec)

    def exec_module(self, module):
        module.__spec__.loader = module.__loader__ = self.loader
        self.under_way.append(module)
        give_back()
        try:
            self.loader.exec_module(module)
            if module.__name__ == "tempfile" and self.temporary_folder:
                module.gettempdir()
            if module.__name__ == "_multiprocessing":
                semaphores.put_into(module)
        finally:
            if module.__name__ in TAKEN_AWAY:
                remember(module)
            self.under_way.pop()
            if not self.under_way:
                take_away()


class NoInput(io.StringIO):
    """Standard input of programs in HumanEval: there is none, and asking for it is an error."""

    def read(self, *args):
        raise OSError

    readline = readlines = read

    def readable(self, *args):
        return False


class NoOutput(io.StringIO):
    """Standard output: takes everything and keeps nothing."""

    def write(self, text):
        if not isinstance(text, str):
            raise TypeError("string argument expected, got %r" % type(text).__name__)
        return len(text)


def guard_all():
    """Takes away what no program gets, once. A template does so for all of its copies."""
    if Importing in sys.meta_path:
        return
    for name in NO_MODULES:
        sys.modules[name] = None
    for name in TAKEN_AWAY:
        if name in sys.modules:
            remember(sys.modules[name])
    take_away()
    sys.meta_path.insert(0, Importing)
    sys.stdin = NoInput()
    sys.stdout = sys.stderr = NoOutput()


def guard(source, names):
    """Takes away what the reference harnesses take away, and the builtins of the given names."""
    guard_all()
    if any(name in source for name in PRINTERS):
        import site
        site.setcopyright()
    for name in names:
        setattr(builtins, name, None)


namespace = {}
iterators = []


def load(source, no_builtins):
    """Runs a program as the module whose functions call() calls. A second load begins again with an empty module."""
    guard(source, NO_BUILTINS + no_builtins)
    namespace.clear()
    exec(compile(source, "<string>", "exec", 0, True), namespace)


def together(source):
    """Runs a program with its tests in it. Whether they passed is only what this process says."""
    load(source, ())


def load_lcb(source, name):
    """Runs a program of LiveCodeBench, for call() to call its function or, without a name, to run it on input."""
    guard(source, LCB_NO_BUILTINS)
    Importing.temporary_folder = False
    lcb_candidate.set_up()
    if name is None:
        namespace["run"] = lcb_candidate.load_program(source)
    else:
        namespace[name] = lcb_candidate.load_function(source, name)


def call(name, encoded, report_changes):
    """Calls a function. Returns its result and, if asked to, the arguments if the function has changed them."""
    args, kwargs = wire.decode(encoded)
    if name not in namespace:
        raise NameError("name %r is not defined" % name)
    value = wire.brief(namespace[name](*args, **kwargs))
    if report_changes and not all(type(a) in UNCHANGEABLE for a in args):
        changed = wire.encode((args, kwargs), keep)
        if changed != encoded:
            return value, args
    return value, None


def call_case(name, packed):
    """Calls a function with arguments as pack() has them, and returns the bytes of the answer.

    They are those of the result, after the byte p, or the answer to a call().
    """
    try:
        if name not in namespace:
            raise NameError("name %r is not defined" % name)
        value = namespace[name](*marshal.loads(packed))
        brief = wire.brief(value)
        data = wire.pack(value) if brief is value else None  # which takes its time where a value is large
        if data is not None:
            return b"p" + data
        return wire.encode(("returned", (brief, None)), keep)
    except BaseException as e:
        return raised(e)


def advance(number):
    """Returns the next value of an iterator."""
    return next(iterators[number])


def look_up(names):
    """Says of each name what the program has defined under it, as a kind and a value."""
    found = {}
    for name in names:
        if name in namespace:
            value = namespace[name]
            if isinstance(value, type(sys)):
                found[name] = "module", value.__name__
            elif callable(value):
                found[name] = "function", None
            else:
                found[name] = "value", value
    return found


REQUESTS = {"load": load, "load_lcb": load_lcb, "together": together, "call": call, "advance": advance, "look_up": look_up}


def keep(iterator):
    iterators.append(iterator)
    return len(iterators) - 1


def describe(e):
    """Returns what the tester needs to raise an exception again: a class that it knows, and an argument."""
    cls = next(c for c in type(e).__mro__ if getattr(builtins, c.__name__, None) is c)
    if len(e.args) == 1 and type(e.args[0]) in (str, int):
        return cls.__name__, e.args[0]
    return cls.__name__, str(e)[:10000] if e.args else None


def raised(e):
    """Returns the bytes of the answer that an exception is."""
    try:
        return wire.encode(("raised", describe(e)))
    except BaseException:
        return wire.encode(("raised", ("RuntimeError", "an exception that cannot be described")))


def answers(request):
    """Does what a request asks for and returns the bytes of its answers: one, or one for each of many cases."""
    try:
        name, arguments = wire.decode(request)
        if name == "cases":
            function, cases = arguments
            return (call_case(function, packed) for packed in marshal.loads(cases))
        return [wire.encode(("returned", REQUESTS[name](*arguments)), keep)]
    except BaseException as e:
        return [raised(e)]


def main():
    def read(n):
        return posix.read(CHANNEL, n)

    def write(data):
        return posix.write(CHANNEL, data)

    for name in "wire", "semaphores", "lcb_candidate", "preload", "candidate":
        del sys.modules[name]  # programs may have modules of these names
    while True:
        try:
            request = wire.read_message(read)
        except EOFError:
            return
        kept, size, since = [], 0, monotonic()
        for data in answers(request):
            kept.append(data)
            size += len(data)
            if size > MOST_KEPT or monotonic() - since > wire.PATIENCE:
                wire.write_messages(write, kept)
                kept, size, since = [], 0, monotonic()
        wire.write_messages(write, kept)
