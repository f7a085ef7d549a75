"""The tester's process: judges programs that run in another process.

A zygote imports everything once and forks. The child runs a grader: a function that has the
candidate load its program, calls its functions, compares what they return, and raises if the program does not pass.
What the candidate's process sends is data: wire.decode() sees to that, and that the data is plain and bounded. The
verdict goes to a channel of which the candidate's process has no end.

A child judges one program or, as long as tests reach nothing but their own values, one after another: what a test could
leave behind, or a large result, ends with the child.
"""

import ast
import builtins
import importlib
import json
import marshal
import mmap
import os
import pickle
import random
import resource
import select
import signal
import socket
import sys
import time

import wire

CONTROL = 3
RECORD = 9  # bytes of a record on CONTROL: what to do, and the number of a job

# The most that a message in a verdict may have, in characters. The reader shortens it further.
MAX_MESSAGE = 2000

# A call that takes longer than this has its own limit watched by the reader of the verdicts, who knows how long the
# candidate's process had no processor. Others are not worth the messages.
UNWATCHED = 0.1

# A candidate's process that does not read its requests for so long is given up, in seconds of the wall clock. The watch
# over a call begins only when its request has gone out.
STALLED = 120


class Failure(Exception):
    """A program has not passed, for the reason given."""


class CandidateError(Exception):
    """What the candidate has raised, where no class of that name exists or it cannot be raised again."""


class Lost(BaseException):
    """The candidate's process has ended or does not keep to the protocol. Tests must not catch it."""


class Candidate:
    """The program under test, as the process that runs it answers."""

    def __init__(self, job, channel):
        self.job = job
        self._channel = channel

    def load(self, source, no_builtins=()):
        """Runs the program. no_builtins are builtins that it does not get, beyond those that nobody gets."""
        self._request("load", source, tuple(no_builtins))

    def load_lcb(self, source, name, seconds):
        """Runs a program of LiveCodeBench within the given number of seconds. If name is None it prints: call("run")."""
        self._request("load_lcb", source, name, seconds=seconds)

    def together(self, source):
        """Runs a program with its tests in it, all in the candidate's process."""
        self._request("together", source)

    def call(self, name, args, kwargs={}, seconds=None, report_changes=True):
        """Calls a function of the program and returns what it returns.

        Lists, dicts and sets among the arguments are changed as the function has changed them. What it raises is
        raised here, as the builtin class that is nearest. The call may take the given number of seconds.
        """
        encoded = wire.encode((tuple(args), kwargs))
        answered = self._request("call", name, encoded, report_changes, seconds=seconds)
        if type(answered) is not tuple or len(answered) != 2:
            raise Lost("an answer of another form")
        value, changed = answered
        if type(changed) is tuple and len(changed) == len(args):
            for argument, now in zip(args, changed):
                change(argument, now)
        return value

    def cases(self, name, packed, seconds):
        """Calls a function of the program once for each of the arguments, as wire.pack() has them.

        Yields for each the bytes of what it returns, as pack() has them, and None; or None and what it returns, where
        there are no such bytes. Each call has so many seconds. No other request may be made before all are answered.
        """
        read = Buffer(self._channel)
        try:
            wire.write_message(self._send, wire.encode(("cases", (name, marshal.dumps(packed)))))
        except OSError:
            raise Lost("the process has ended")
        for _ in packed:
            data = self._answer(read, seconds + wire.PATIENCE)
            if data[:1] == b"p":
                yield data[1:], None
                continue
            answered = self._returned(data)
            if type(answered) is not tuple or len(answered) != 2:
                raise Lost("an answer of another form")
            yield None, answered[0]

    def function(self, name):
        """Returns a function that calls the program's function of that name."""
        def function(*args, **kwargs):
            return self.call(name, args, kwargs)
        function.__name__ = name
        return function

    def look_up(self, names):
        """Returns what the program has defined under the given names, as far as tests may see it."""
        found = self._request("look_up", list(names)) if names else {}
        if type(found) is not dict:
            raise Lost("an answer of another form")
        result = {}
        for name in names:
            kind, value = found.get(name, (None, None))
            if kind == "function":
                result[name] = self.function(name)
            elif kind == "module" and value in STANDARD_MODULES:
                result[name] = importlib.import_module(value)
            elif kind == "value":
                result[name] = value
        return result

    def _iterator(self, number):
        """Goes on with an iterator that stayed in the candidate's process."""
        while True:
            try:
                yield self._request("advance", number)
            except StopIteration:
                return

    def _send(self, data):
        """Sends some of the data and returns how much."""
        try:
            return self._channel.send(data, socket.MSG_DONTWAIT)
        except BlockingIOError:
            if not select.select([], [self._channel], [], STALLED)[1]:
                raise Lost("the process reads no requests")
            return 0

    def _request(self, name, *arguments, seconds=None):
        try:
            wire.write_message(self._send, wire.encode((name, arguments)))
        except OSError:
            raise Lost("the process has ended")
        return self._returned(self._answer(self._channel.recv, seconds))

    def _answer(self, read, seconds):
        """Returns the bytes of the next answer, for which the candidate has so many seconds, or None for no such limit."""
        watched = False
        try:
            if seconds is not None and not getattr(read, "data", b"") and not select.select([self._channel], [], [], UNWATCHED)[0]:
                self.job.limit(seconds - UNWATCHED)
                watched = True
            data = wire.read_message(read)
            if watched:
                self.job.limit(None)
            return data
        except (EOFError, OSError):
            raise Lost("the process has ended")
        except wire.WireError as e:
            raise Lost(str(e))

    def _returned(self, data):
        """Returns what an answer says that a call has returned, or raises what it has raised."""
        try:
            kind, value = wire.decode(data, self._iterator)
        except (wire.WireError, TypeError, ValueError) as e:
            raise Lost(str(e))
        if kind == "returned":
            return value
        raise exception(value)


class Buffer:
    """Reads much at once from a socket, for many small messages."""

    def __init__(self, channel):
        self.channel = channel
        self.data = b""

    def __call__(self, n):
        if not self.data:
            self.data = self.channel.recv(1 << 16)
        piece, self.data = self.data[:n], self.data[n:]
        return piece


# Modules that tests may use because the program has imported them.
STANDARD_MODULES = ("bisect", "cmath", "collections", "copy", "datetime", "decimal", "fractions", "functools", "heapq",
                    "itertools", "json", "math", "operator", "random", "re", "statistics", "string", "sys", "typing")


def exception(described):
    """Returns the exception that a candidate has described."""
    try:
        name, argument = described
    except (TypeError, ValueError):
        raise Lost("an answer of another form")
    args = () if argument is None else (argument,)
    cls = getattr(builtins, name, None) if type(name) is str else None
    if isinstance(cls, type) and issubclass(cls, BaseException):
        for cls in cls.__mro__[:-1]:
            try:
                return cls(*args)
            except TypeError:
                pass  # UnicodeDecodeError and others want more arguments than have come: its base does
    return CandidateError(*args)


def change(value, now):
    """Makes a list, dict or set equal to what it has become in the candidate's process, and what it holds likewise."""
    if type(value) is not type(now):
        return
    if isinstance(value, list):
        for i, item in enumerate(value[:len(now)]):
            now[i] = changed(item, now[i])
        value[:] = now
    elif isinstance(value, dict):
        now = {key: changed(value[key], item) if key in value else item for key, item in now.items()}
        value.clear()
        value.update(now)
    elif isinstance(value, set):
        value.clear()
        value.update(now)
    elif isinstance(value, tuple):
        for item, item_now in zip(value, now):
            change(item, item_now)


def changed(value, now):
    """Returns what takes the place of value: itself, if it can be made equal to now."""
    if isinstance(value, (list, dict, set)) and type(value) is type(now):
        change(value, now)
        return value
    return now


class Job:
    """One program to be judged, a problem to be prepared for that, or a text to be sanitized."""

    def __init__(self, channel):
        """Waits for the order. At the end of the channel it raises EOFError."""
        self._channel = channel
        size, self.descriptors = receive(channel, 8)
        if not size:
            raise EOFError
        self.order = json.loads(wire.read_exactly(channel.recv, int.from_bytes(size, "little")))
        self.problem = json.loads(self.order["problem"]) if self.order["problem"] else None
        self.program = self.order["program"]
        self.plain = False  # whether its test cannot have changed anything but its own values, as the grader finds

    def say(self, **message):
        self._channel.sendall(json.dumps(message).encode() + b"\n")

    def send(self, data):
        self._channel.sendall(data)

    def limit(self, seconds):
        """Gives the candidate this many seconds from now, until the next call; None for the limit of the program."""
        self.say(limit=seconds)


    def unpickle_prepared(self):
        """Returns what a grader's prepare() has made of the problem, from its file.

        It was pickled in a process like this one, which had nothing to do with any program.
        """
        with mmap.mmap(self.descriptors[1], 0, prot=mmap.PROT_READ) as data:
            return pickle.loads(data)


# Builtins that reach nothing beyond their arguments.
PLAIN_BUILTINS = frozenset(("abs", "all", "any", "bool", "dict", "float", "int", "isinstance", "len", "list", "max", "min", "range",
                            "round", "set", "sorted", "str", "sum", "tuple", "zip"))


def is_plain(code, names):
    """Says whether a test reaches nothing but its own values, the given functions and what they return.

    code is the test compiled. All that it imports, and all attributes and globals, are among the names that it mentions.
    """
    return mentioned(code) <= PLAIN_BUILTINS.union(names)


def text_of(e):
    """Returns the message of an exception, as the reference harnesses print it."""
    try:
        return str(e)[:MAX_MESSAGE]
    except Exception:
        return type(e).__name__


def names_used(source, code, known, entry_point=None):
    """Returns the names that a module uses and does not bind, without those that are known.

    code is the module compiled. Most tests use no such names, and that shows without parsing them again.
    """
    if mentioned(code) - {entry_point} <= known:
        return set()
    tree = ast.parse(source)
    used = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    return used - names_bound(tree) - known - {entry_point}


def mentioned(code):
    """Returns the names of globals and attributes in a code object and those within it."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, type(code)):
            names |= mentioned(constant)
    return names


def names_bound(tree):
    """Returns the names that are bound anywhere in a tree, whatever their scope."""
    bound = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
    for n in ast.walk(tree):
        if isinstance(n, (ast.FunctionDef, ast.ClassDef)):
            bound.add(n.name)
        elif isinstance(n, (ast.Import, ast.ImportFrom)):
            bound.update((alias.asname or alias.name).split(".")[0] for alias in n.names)
        elif isinstance(n, ast.arg):
            bound.add(n.arg)
    return bound


def imports(source):
    """Returns the import statements at the top level of a module, one a line."""
    if "import" not in source:
        return ""
    statements = [n for n in ast.parse(source).body if isinstance(n, (ast.Import, ast.ImportFrom))]
    return "".join(ast.get_source_segment(source, n) + "\n" for n in statements)


def judge(grade, job, candidate):
    """Runs a grader and returns the verdict as the message that the parent expects."""
    try:
        grade(job, candidate)
    except Lost as e:
        return {"kind": "lost", "detail": text_of(e)}
    except MemoryError:
        return {"kind": "out of memory"}
    except BaseException as e:  # SystemExit too: a program that exits has not passed
        return {"kind": "failed", "detail": text_of(e)}
    return {"kind": "passed"}


# A process that has grown by more than this, in bytes, judges no other program.
MOST_GROWTH = 64 << 20


def run_jobs(channel):
    """Judges a program, and then others while the tests are plain: each test begins as in a new process.

    With the order comes the candidate's channel, and for some graders a file of what has been prepared.
    """
    began = size_of_process()
    again = True
    while again:
        job = Job(channel)
        before = os.times()
        random.seed(0)  # tests that draw inputs draw the same ones for all programs
        limit_memory(size_of_process() + int(sys.argv[2]))  # what the program sends may take what the program may
        grader = importlib.import_module(job.order["grader"])
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, job.descriptors[0]) as candidate:
            verdict = judge(grader.grade_together if job.order["together"] else grader.grade, job, Candidate(job, candidate))
        for descriptor in job.descriptors[1:]:
            os.close(descriptor)
        times = os.times()
        again = job.plain and verdict["kind"] in ("passed", "failed") and size_of_process() < began + MOST_GROWTH
        job.say(verdict=verdict, again=again, cpu_seconds=times.user + times.system - before.user - before.system)


def size_of_process():
    """Returns the most that this process has had in memory, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def prepare(channel):
    """Prepares a problem for judging, and sends for each of its parts what run_jobs() will have for the grader."""
    job = Job(channel)
    try:
        parts = importlib.import_module(job.order["grader"]).prepare(job.problem)
        parts = [(part, pickle.dumps(prepared, 4), seconds) for part, (prepared, seconds) in parts.items()]
    except Exception as e:
        job.say(error="%s: %s" % (type(e).__name__, text_of(e)))
        return
    for part, data, seconds in parts:
        job.say(part=part, size=len(data), seconds=seconds)
        job.send(data)


def sanitize(channel):
    """Cuts the program out of a text, for the entry point that stands in the place of the problem."""
    job = Job(channel)
    job.say(text=importlib.import_module("sanitize").sanitize(job.program, job.problem))


JOBS = {b"J": run_jobs, b"P": prepare, b"S": sanitize}


def serve():
    """Is the zygote: forks a process for each channel that comes in on CONTROL, and kills those that are to end."""
    control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, CONTROL)
    jobs = {}
    while True:
        record, descriptors = receive(control, RECORD)
        if not record:
            return
        number = record[1:]
        while jobs:  # ended children stay until here, so that no other process has their number
            pid, _ = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            jobs = {n: p for n, p in jobs.items() if p != pid}
        if record[:1] == b"K":
            if number in jobs:
                os.kill(jobs[number], signal.SIGKILL)
            continue
        pid = os.fork()
        if pid == 0:
            control.close()
            try:
                limit_memory(most_memory())
                channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, descriptors[0])
                channel.sendall(b"began\n")
                JOBS[record[:1]](channel)
            finally:
                os._exit(0)
        jobs[number] = pid
        for d in descriptors:
            os.close(d)


def most_memory():
    """Returns how many bytes a process of this program may have."""
    return int(sys.argv[1])


def limit_memory(size):
    """Limits this process alone, in bytes. If all of them together take too much, all of them are killed."""
    try:
        resource.setrlimit(resource.RLIMIT_AS, (min(size, most_memory()), most_memory()))
    except (ValueError, OSError):
        pass  # macOS has no such limit


def receive(channel, size):
    """Returns the next bytes and the descriptors that came with them. At the end of the channel there are no bytes."""
    data, ancillary, _, _ = channel.recvmsg(size, socket.CMSG_SPACE(2 * 4))
    descriptors = []
    for level, kind, numbers in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors += [int.from_bytes(numbers[i:i + 4], sys.byteorder) for i in range(0, len(numbers), 4)]
    while data and len(data) < size:
        more = channel.recv(size - len(data))
        if not more:
            return b"", descriptors
        data += more
    return data, descriptors
