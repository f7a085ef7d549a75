"""Plain data as bytes: what the tester and the candidate's process exchange.

The candidate's process is hostile, so that every byte it sends may be anything. decode() builds values of the types
below and nothing else, within bounds; it never looks a name up, imports on demand or calls what a peer has defined.

A message is four bytes of length (little-endian) and one value. A value is one byte that says its type, and then:

    N T F         None, True, False
    i q           an integer of 64 bits
    I n bytes     a longer integer, little-endian two's complement
    f d           a float
    c d d         a complex
    s n bytes     a str in UTF-8, lone surrogates included
    b n bytes     a bytes
    l t S Z n ... a list, tuple, set, frozenset of n values
    D n ...       a dict: n keys, each followed by its value
    u value       an instance of a subclass of value's type, which has lost everything else that it was
    r n name ...  a value of another type of the standard library or of numpy, made from the tuple that follows
    y n name      a class that is a builtin, like int
    h bytes       32 bytes that stand for a value with too many parts
    g i q         an iterator that stayed in the candidate's process, and the number under which it is known there
    o n name      any other object, which stayed there: only the name of its type has come

n is a length or count of four bytes.

Values that consist of None, bool, int, float, complex, str, bytes, list, tuple, set, frozenset and dict alone may also come
as marshal writes them (pack), which is much faster and of which a bounded part is read here (unpack).
"""

import marshal

from _struct import Struct, error  # struct itself takes longer to load

# How many seconds of calls may pass before answers to earlier calls are sent.
PATIENCE = 0.01

MAX_DEPTH = 200
MAX_NODES = 2000000
MAX_BYTES = 96 << 20
MAX_INT_BYTES = 2 << 20

_LENGTH = Struct("<I")
_INT = Struct("<q")
_FLOAT = Struct("<d")
_COMPLEX = Struct("<dd")


class WireError(Exception):
    """A value that cannot cross, or bytes that are none."""


class Opaque:
    """Stands for an object that stayed in the candidate's process. It equals nothing but itself."""

    def __init__(self, name):
        self._name = name

    def __repr__(self):
        return "<%s>" % self._name


class Digest:
    """Stands for a value with too many parts, and equals what stands for the same value. Nobody who does not have the
    value can make it.
    """

    def __init__(self, data):
        self.data = data

    def __eq__(self, other):
        return type(other) is Digest and self.data == other.data

    __hash__ = None


def brief(value):
    """Returns the value itself or, for a list or tuple that has more parts than can cross, its digest."""
    if type(value) not in (list, tuple):
        return value
    if len(value) + sum([len(v) for v in value if type(v) in (list, tuple)]) < MAX_NODES:
        return value
    import hashlib
    digest = hashlib.sha256(type(value).__name__.encode())
    for i in range(0, len(value), 1000):
        # Version 0 writes what a value is and nothing of how it came about.
        digest.update(marshal.dumps(value[i:i + 1000], 0))
    return Digest(digest.digest())


# Instances of subclasses: they compare as their plain base does, but have a type of their own.
SUBCLASSES = {base: type(base.__name__.capitalize() + "Subclass", (base,), {"__slots__": ()}) for base in (
    int, float, complex, str, bytes, list, tuple, set, frozenset, dict)}

CLASSES = {cls.__name__: cls for cls in (
    type(None), bool, int, float, complex, str, bytes, bytearray, list, tuple, set, frozenset, dict, range, object, type)}

# Numbers of numpy, by the names of their types. What is longer than Python's own stays where it is.
NUMPY_NUMBERS = ("bool", "bool_", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "intc", "uintc",
                 "longlong", "ulonglong", "float16", "float32", "float64", "complex64", "complex128")


def take_array_apart(x):
    """Returns type, shape and bytes of an array of numbers or texts, or what any other one holds."""
    if x.dtype.kind in "biufcSU":
        return x.dtype.str, x.shape, x.tobytes()
    return "O", x.shape, x.reshape(-1).tolist()


def put_array_together(kind, shape, data):
    import numpy
    if type(kind) is str and kind[1:2] in tuple("biufcSU") and type(data) is bytes:
        array = numpy.ndarray(shape, kind, data).copy()
        return array.view("u1") != 0 if array.dtype.kind == "b" else array  # other bytes are no truth values
    if kind == "O" and type(data) is list:
        array = numpy.empty(len(data), object)
        for i, item in enumerate(data):
            array[i] = item
        return array.reshape(shape)
    raise WireError("no array of type %r" % (kind,))


# How values of further types are taken apart: type, or module and name of one that may not have been imported -> a
# function to a tuple of plain data.
TAKE_APART = {
    bytearray: lambda x: (bytes(x),),
    range: lambda x: (x.start, x.stop, x.step),
    slice: lambda x: (x.start, x.stop, x.step),
    type({}.keys()): tuple,
    type({}.values()): tuple,
    type({}.items()): tuple,
    ("collections", "OrderedDict"): lambda x: tuple(x.items()),
    ("collections", "Counter"): lambda x: (dict(x),),
    ("collections", "deque"): lambda x: (list(x), x.maxlen),
    ("fractions", "Fraction"): lambda x: (x.numerator, x.denominator),
    ("decimal", "Decimal"): lambda x: (str(x),),
    ("array", "array"): lambda x: (x.typecode, x.tolist()),
    ("datetime", "date"): lambda x: (x.year, x.month, x.day),
    ("datetime", "datetime"): lambda x: (x.year, x.month, x.day, x.hour, x.minute, x.second, x.microsecond),
    ("datetime", "timedelta"): lambda x: (x.days, x.seconds, x.microseconds),
    ("numpy", "ndarray"): take_array_apart,
}
TAKE_APART.update({("numpy", name): lambda x: (x.item(),) for name in NUMPY_NUMBERS})


def encode(value, keep=None):
    """Returns the bytes of a value.

    keep(iterator) gives the number by which an iterator is known from now on. Without it, as on the tester's side, an
    iterator or any object that is more than plain data raises WireError.
    """
    out = []
    write = out.append
    nodes = 0

    def put(value, depth):
        nonlocal nodes
        nodes += 1
        if depth > MAX_DEPTH or nodes > MAX_NODES:
            raise WireError("a value of more than %d levels or %d parts" % (MAX_DEPTH, MAX_NODES))
        cls = type(value)
        writer = writers.get(cls)
        if writer is not None:
            writer(value, depth)
            return
        for base in cls.__mro__:
            if base in writers:
                write(b"u")
                writers[base](value, depth)
                return
            # Classes made in a module without a name have no __module__.
            take_apart = TAKE_APART.get(base) or TAKE_APART.get((getattr(base, "__module__", None), base.__name__))
            if take_apart is not None:
                write(b"r")
                put_bytes(base.__name__.encode())
                put_tuple(take_apart(value), depth)
                return
        if cls is type and CLASSES.get(value.__name__) is value:
            write(b"y")
            put_bytes(value.__name__.encode())
            return
        if cls is Digest:
            write(b"h" + value.data)
            return
        if keep is None:
            raise WireError("an object of type %s" % cls.__name__)
        if hasattr(cls, "__next__"):
            write(b"g" + _INT.pack(keep(value)))
        else:
            write(b"o")
            put_bytes(cls.__name__.encode("utf-8", "surrogatepass"))

    def put_none(value, depth):
        write(b"N")

    def put_bool(value, depth):
        write(b"T" if value else b"F")

    def put_int(value, depth):
        try:
            write(b"i" + _INT.pack(value))
        except error:
            value = int.__add__(value, 0)
            size = value.bit_length() // 8 + 1
            if size > MAX_INT_BYTES:
                raise WireError("an integer of more than %d bits" % (8 * MAX_INT_BYTES))
            write(b"I")
            put_bytes(value.to_bytes(size, "little", signed=True))

    def put_float(value, depth):
        write(b"f" + _FLOAT.pack(value))

    def put_complex(value, depth):
        write(b"c" + _COMPLEX.pack(value.real, value.imag))

    def put_str(value, depth):
        write(b"s")
        put_bytes(str.encode(value, "utf-8", "surrogatepass"))

    def put_binary(value, depth):
        write(b"b")
        put_bytes(bytes.__add__(value, b""))

    def put_bytes(data):
        write(_LENGTH.pack(len(data)))
        write(data)

    def sequence(tag, iterate, length):
        def put_sequence(value, depth):
            write(tag + _LENGTH.pack(length(value)))
            depth += 1
            for item in iterate(value):
                put(item, depth)
        return put_sequence

    def put_dict(value, depth):
        write(b"D" + _LENGTH.pack(dict.__len__(value)))
        depth += 1
        for key, item in value.items():
            put(key, depth)
            put(item, depth)

    put_tuple = sequence(b"t", tuple.__iter__, tuple.__len__)
    writers = {
        type(None): put_none,
        bool: put_bool,
        int: put_int,
        float: put_float,
        complex: put_complex,
        str: put_str,
        bytes: put_binary,
        list: sequence(b"l", list.__iter__, list.__len__),
        tuple: put_tuple,
        set: sequence(b"S", set.__iter__, set.__len__),
        frozenset: sequence(b"Z", frozenset.__iter__, frozenset.__len__),
        dict: put_dict,
    }
    put(value, 0)
    data = b"".join(out)
    if len(data) > MAX_BYTES:
        raise WireError("a value of more than %d bytes" % MAX_BYTES)
    return data


def put_together(name, parts):
    """Makes a value of one of the types of TAKE_APART from its parts. Raises anything if they do not fit."""
    if name == "bytearray":
        data, = parts
        if type(data) is bytes:
            return bytearray(data)
    elif name == "range":
        return range(*parts)
    elif name == "slice":
        return slice(*parts)
    elif name == "dict_keys":
        return dict.fromkeys(parts).keys()
    elif name == "dict_values":
        return dict(enumerate(parts)).values()
    elif name == "dict_items":
        return dict(parts).items()
    elif name == "OrderedDict":
        from collections import OrderedDict
        return OrderedDict(parts)
    elif name == "Counter":
        from collections import Counter
        counts, = parts
        if type(counts) is dict:
            return Counter(counts)
    elif name == "deque":
        from collections import deque
        return deque(*parts)
    elif name == "Fraction":
        from fractions import Fraction
        numerator, denominator = parts
        if type(numerator) is int and type(denominator) is int:
            return Fraction(numerator, denominator)
    elif name == "Decimal":
        from decimal import Decimal
        text, = parts
        if type(text) is str:
            return Decimal(text)
    elif name == "array":
        from array import array
        return array(*parts)
    elif name in ("date", "datetime", "timedelta"):
        import datetime
        return getattr(datetime, name)(*parts)
    elif name == "ndarray":
        return put_array_together(*parts)
    elif name in NUMPY_NUMBERS:
        import numpy
        number, = parts
        if type(number) in (bool, int, float, complex):
            return getattr(numpy, name)(number)
    raise WireError("no value of type %r" % name)


def decode(data, iterator=None):
    """Returns the value of the given bytes, which must be one value and no more. Raises WireError for all others.

    Where memory is short, that is MemoryError: the bytes may well be a value.
    iterator(number) stands for an iterator of the peer's. Without it there is none.
    """
    try:
        return _decode(data, iterator)
    except (WireError, MemoryError):
        raise
    except Exception as e:  # IndexError at the end, TypeError for a list in a set, UnicodeDecodeError, ...
        raise WireError("bytes that are no value: %s" % type(e).__name__)


def _decode(data, iterator):
    size = len(data)
    if size > MAX_BYTES:
        raise WireError("more than %d bytes" % MAX_BYTES)
    at = 0
    nodes = 0

    def count():
        """Reads a length. Whatever follows takes at least a byte each."""
        nonlocal at
        n, = _LENGTH.unpack_from(data, at)
        at += 4
        if n > size - at:
            raise WireError("a length beyond the end")
        return n

    def chunk():
        nonlocal at
        n = count()
        at += n
        return data[at - n:at]

    def get(depth):
        nonlocal at, nodes
        nodes += 1
        if depth > MAX_DEPTH or nodes > MAX_NODES:
            raise WireError("a value of more than %d levels or %d parts" % (MAX_DEPTH, MAX_NODES))
        tag = data[at]
        at += 1
        if tag == 0x69:  # i
            at += 8
            return _INT.unpack_from(data, at - 8)[0]
        if tag == 0x73:  # s
            return str(chunk(), "utf-8", "surrogatepass")
        if tag == 0x6c:  # l
            depth += 1
            return [get(depth) for _ in range(count())]
        if tag == 0x66:  # f
            at += 8
            return _FLOAT.unpack_from(data, at - 8)[0]
        if tag == 0x74:  # t
            depth += 1
            return tuple([get(depth) for _ in range(count())])
        if tag == 0x54:  # T
            return True
        if tag == 0x46:  # F
            return False
        if tag == 0x4e:  # N
            return None
        if tag == 0x44:  # D
            depth += 1
            result = {}
            for _ in range(count()):
                key = get(depth)
                result[key] = get(depth)
            return result
        if tag == 0x53:  # S
            depth += 1
            return {get(depth) for _ in range(count())}
        if tag == 0x5a:  # Z
            depth += 1
            return frozenset([get(depth) for _ in range(count())])
        if tag == 0x49:  # I
            digits = chunk()
            if len(digits) > MAX_INT_BYTES:
                raise WireError("an integer of more than %d bits" % (8 * MAX_INT_BYTES))
            return int.from_bytes(digits, "little", signed=True)
        if tag == 0x62:  # b
            return bytes(chunk())
        if tag == 0x63:  # c
            at += 16
            return complex(*_COMPLEX.unpack_from(data, at - 16))
        if tag == 0x75:  # u
            value = get(depth + 1)
            return SUBCLASSES[type(value)](value)
        if tag == 0x72:  # r
            name = str(chunk(), "ascii")
            parts = get(depth + 1)
            if type(parts) is not tuple:
                raise WireError("parts that are no tuple")
            return put_together(name, parts)
        if tag == 0x79:  # y
            return CLASSES[str(chunk(), "ascii")]
        if tag == 0x68:  # h
            at += 32
            return Digest(data[at - 32:at])
        if tag == 0x67 and iterator is not None:  # g
            at += 8
            return iterator(_INT.unpack_from(data, at - 8)[0])
        if tag == 0x6f:  # o
            return Opaque(str(chunk(), "utf-8", "surrogatepass"))
        raise WireError("no type %r" % tag)

    value = get(0)
    if at != size:
        raise WireError("bytes after the value")
    return value


# Version 2 of marshal's format has no references and does not tell which strings are interned: equal bytes are equal
# values of the same types, but for NaN.
PACKED_VERSION = 2
MAX_PACKED_BYTES = 1 << 20
MAX_PACKED_DEPTH = 50

_SCALARS = {type(None), bool, int, float, complex, str, bytes}
_SEQUENCES = {list, tuple, set, frozenset}
_CONTAINERS = _SEQUENCES | {dict}


def _is_plain(value, depth):
    cls = type(value)
    if cls in _SCALARS:
        return True
    if cls is dict:
        return _is_plain(list(value), depth) and _is_plain(list(value.values()), depth)
    if cls not in _SEQUENCES or depth == MAX_PACKED_DEPTH:
        return False
    kinds = set(map(type, value))
    if kinds <= _SCALARS:
        return True
    return kinds <= _SCALARS | _CONTAINERS and all([_is_plain(v, depth + 1) for v in value if type(v) not in _SCALARS])


def pack(value):
    """Returns the bytes of a value as marshal has them, or None if it is of other types or too large."""
    if not _is_plain(value, 0):
        return None
    data = marshal.dumps(value, PACKED_VERSION)
    return data if len(data) <= MAX_PACKED_BYTES else None


def unpack(data):
    """Returns the value of bytes that a hostile peer says pack() has returned. Raises WireError if it cannot have."""
    if len(data) > MAX_PACKED_BYTES:
        raise WireError("more than %d bytes" % MAX_PACKED_BYTES)
    try:
        value, at = _unpack(data, 0, 0)
    except (WireError, MemoryError):
        raise
    except Exception as e:
        raise WireError("bytes that are no value: %s" % type(e).__name__)
    if at != len(data):
        raise WireError("bytes after the value")
    return value


_PACKED_CONSTANTS = {0x4e: None, 0x54: True, 0x46: False}  # N T F
_PACKED_SEQUENCES = {0x28: tuple, 0x5b: list, 0x3c: set, 0x3e: frozenset}  # ( [ < >
_PACKED_INT = Struct("<i")


def _unpack(data, at, depth):
    """Returns the value that begins at an index, and the index after it."""
    if depth > MAX_PACKED_DEPTH + 2:
        raise WireError("a value of too many levels")
    tag = data[at]
    at += 1
    if tag in _PACKED_CONSTANTS:
        return _PACKED_CONSTANTS[tag], at
    if tag == 0x67:  # g
        return _FLOAT.unpack_from(data, at)[0], at + 8
    if tag == 0x79:  # y
        return complex(*_COMPLEX.unpack_from(data, at)), at + 16
    if tag == 0x7b:  # {
        result = {}
        while data[at] != 0x30:  # 0
            key, at = _unpack(data, at, depth + 1)
            result[key], at = _unpack(data, at, depth + 1)
        return result, at + 1
    n, = _PACKED_INT.unpack_from(data, at)
    at += 4
    if tag == 0x69:  # i
        return n, at
    if tag == 0x6c and 2 * abs(n) <= len(data) - at:  # l: digits of 15 bits, lowest first
        digits = [int.from_bytes(data[i:i + 2], "little") for i in range(at, at + 2 * abs(n), 2)]
        value = int("".join(["%015d" % int(bin(d)[2:]) for d in reversed(digits)]) or "0", 2)
        return (-value if n < 0 else value), at + 2 * abs(n)
    if n < 0 or n > len(data) - at:
        raise WireError("a length beyond the end")
    if tag == 0x75:  # u
        return str(data[at:at + n], "utf-8", "surrogatepass"), at + n
    if tag == 0x73:  # s
        return bytes(data[at:at + n]), at + n
    items = []
    for _ in range(n):
        item, at = _unpack(data, at, depth + 1)
        items.append(item)
    return _PACKED_SEQUENCES[tag](items), at


def read_exactly(read, n):
    """Returns the next n bytes of what read(at most) gives in pieces. Raises EOFError if they end before."""
    pieces = []
    while n > 0:
        piece = read(min(n, 1 << 20))
        if not piece:
            raise EOFError
        pieces.append(piece)
        n -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def read_message(read):
    """Returns the bytes of the next message's value."""
    n, = _LENGTH.unpack(read_exactly(read, 4))
    if n > MAX_BYTES:
        raise WireError("a message of more than %d bytes" % MAX_BYTES)
    return read_exactly(read, n)


def write_message(write, data):
    write_messages(write, [data])


def write_messages(write, messages):
    data = memoryview(b"".join([part for m in messages for part in (_LENGTH.pack(len(m)), m)]))
    while data:
        data = data[write(data):]
