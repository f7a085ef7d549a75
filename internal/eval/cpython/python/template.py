"""The template's process: an interpreter that has imported what programs want, and is copied for each of them.

It runs nothing of any program: its copies do. What it has to do is said in sandbox/template_linux.go: each request is a
list of system calls, of which it makes the first, clone, and the new process the others, which put all walls around it.
Then the copy goes on as the candidate's process.
"""

import os
import sys

import candidate
import posix
import preload

REQUESTS = 4  # descriptor
SIZE = 64 << 10  # of the memory for a request
FIRST_HIGH = 320  # the number of the first of a request's descriptors in the copy, where failures are written
MOST_DESCRIPTORS = 64

PR_GET_TID_ADDRESS = 40

# A call: its number, six arguments, bits that say what is special about it, and where its result goes, or 0.
CALL = "=9q"
KEEP, USE_KEPT, MUST_BE_ZERO, MAY_FAIL = 1, 2, 4, 8


def thread_id_address(ctypes, library):
    """Returns where the C library keeps the number of this thread, or 0 if that is not to be found out."""
    place = ctypes.POINTER(ctypes.c_int)()
    if library.prctl(PR_GET_TID_ADDRESS, ctypes.byref(place), 0, 0, 0) != 0 or not place or place[0] != posix.getpid():
        return 0
    return ctypes.addressof(place.contents)


class Template:
    """The process that is copied. Its modules are not imported by this module, as programs must not find them imported."""

    def __init__(self, ctypes, struct, socket):
        self.integer = ctypes.c_uint32
        self.errno = ctypes.get_errno
        self.calls = struct.Struct(CALL)
        self.buffer = ctypes.create_string_buffer(SIZE)
        self.requests = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, REQUESTS)
        self.room = socket.CMSG_SPACE(4 * MOST_DESCRIPTORS)
        library = ctypes.PyDLL(None, use_errno=True)
        self.system_call = library.syscall
        self.system_call.argtypes = [ctypes.c_long] * 7
        self.system_call.restype = ctypes.c_long
        addresses = ctypes.addressof(self.buffer), thread_id_address(ctypes, library)
        self.requests.send(b"".join(address.to_bytes(8, sys.byteorder) for address in addresses))

    def call(self, number, arguments):
        """Makes a system call and returns its result, or -errno."""
        result = self.system_call(number, *arguments)
        return -self.errno() if result == -1 else result

    def serve(self):
        """Makes copies. Returns in each of them, with all walls around it."""
        while True:
            size, ancillary, _, _ = self.requests.recvmsg_into([self.buffer], self.room)
            if size == 0:
                posix._exit(0)
            received = ancillary[0][2]
            descriptors = [int.from_bytes(received[i:i + 4], sys.byteorder) for i in range(0, len(received), 4)]
            length = int.from_bytes(self.buffer[:8], sys.byteorder)
            (number, *arguments, _, _), *steps = self.calls.iter_unpack(self.buffer[8 + length:size])
            pid = self.call(number, arguments)
            if pid == 0:
                for i, descriptor in enumerate(descriptors):
                    posix.dup2(descriptor, FIRST_HIGH + i, False)
                self.become(steps)
                self.requests.detach()  # its number may be a file of the program's
                return
            self.requests.send(pid.to_bytes(8, sys.byteorder, signed=True))
            for descriptor in descriptors:
                posix.close(descriptor)

    def become(self, steps):
        """Makes the calls that put the walls around this copy."""
        kept = 0
        for index, (number, *arguments, bits, into) in enumerate(steps, 1):
            if bits & USE_KEPT:
                arguments[0] = kept
            result = self.call(number, arguments)
            if (result < 0 and not bits & MAY_FAIL) or (result > 0 and bits & MUST_BE_ZERO):
                posix.write(FIRST_HIGH, index.to_bytes(4, sys.byteorder) + max(1, -result).to_bytes(4, sys.byteorder))
                posix._exit(1)
            if bits & KEEP:
                kept = result
            if into:
                self.integer.from_address(into).value = result


def main():
    """Returns what a copy does next."""
    # Older ones keep the number of their process.
    if tuple(map(int, os.confstr("CS_GNU_LIBC_VERSION").split()[1].split("."))) < (2, 25):
        posix._exit(1)
    preload.put_aside(preload.NAMES + ("ctypes", "struct", "_socket", "gc"))
    ctypes, struct, socket, gc = [preload.aside[name] for name in ("ctypes", "struct", "_socket", "gc")]
    template = Template(ctypes, struct, socket)
    candidate.guard_all()
    gc.collect()
    gc.freeze()  # so that a collection in a copy does not write to what they share
    folder = posix.getcwd()
    template.serve()
    del sys.modules["template"]
    if posix.getcwd() != folder:
        candidate.give_back()
        os.environ.update(HOME=posix.getcwd(), TMPDIR=posix.getcwd())
        candidate.take_away()
    return candidate.main
