"""Checks python/wire.py: values come back as they were, and no bytes do worse than raise WireError.

Arguments: the folder of wire.py, and a number of rounds.
"""

import array
import collections
import datetime
import decimal
import enum
import fractions
import math
import random
import sys

sys.path.insert(0, sys.argv[1])
import wire

rng = random.Random(1)


def scalar():
    return rng.choice([
        lambda: None,
        lambda: rng.random() < 0.5,
        lambda: rng.randrange(-5, 5),
        lambda: rng.choice([-1, 1]) * ((1 << rng.choice([7, 8, 62, 63, 64, 1000])) - rng.randrange(3)),
        lambda: rng.choice([0.0, -0.0, 1e308, math.inf, -math.inf, 5e-324, rng.gauss(0, 1)]),
        lambda: complex(rng.gauss(0, 1), -0.0),
        lambda: "".join(chr(rng.choice([0, 65, 0xdfff, 0xd800, 0x10ffff, 0xe9])) for _ in range(rng.randrange(5))),
        lambda: bytes(rng.randrange(256) for _ in range(rng.randrange(5))),
        lambda: fractions.Fraction(rng.randrange(9), 7),
        lambda: decimal.Decimal(rng.choice(["0", "-1.50", "NaN", "sNaN", "1e999", "-Infinity"])),
        lambda: range(rng.randrange(9), 99, 7),
        lambda: datetime.date(2000, 2, 29),
        lambda: datetime.datetime(2000, 2, 29, 1, 2, 3, 4),
        lambda: datetime.timedelta(-1, 5, 6),
        lambda: rng.choice([int, str, list, type(None), object]),
        lambda: bytearray(b"xy"),
        lambda: array.array("d", [1.5, -0.0]),
    ])()


def value(depth):
    if depth == 0 or rng.random() < 0.3:
        return scalar()
    items = [value(depth - 1) for _ in range(rng.randrange(4))]
    hashable = [v for v in items if not unhashable(v)]
    return rng.choice([
        lambda: items,
        lambda: tuple(items),
        lambda: set(hashable),
        lambda: frozenset(hashable),
        lambda: {v: value(depth - 1) for v in hashable},
        lambda: collections.deque(items, 9),
        lambda: collections.OrderedDict((v, None) for v in hashable),
        lambda: collections.Counter(hashable),
    ])()


def unhashable(v):
    try:
        hash(v)
        return False
    except (TypeError, ValueError):  # a signalling NaN has no hash
        return True


def text(v):
    """Returns what tells a value from all others, signs of zero included."""
    if isinstance(v, (list, tuple, collections.deque)):
        parts = list(map(text, v))
    elif isinstance(v, dict):
        parts = [text(item) for item in v.items()]
    elif isinstance(v, (set, frozenset)):
        parts = sorted(map(text, v))
    else:
        return repr(v)
    return "%s(%s)" % (type(v).__name__, ", ".join(parts))


def check_round_trips(rounds):
    for _ in range(rounds):
        v = value(4)
        data = wire.encode(v)
        back = wire.decode(data)
        assert text(v) == text(back), (v, back)
        for _ in range(20):
            check_hostile(mutated(data))
        packed = wire.pack(v)
        if packed is not None:
            assert text(v) == text(wire.unpack(packed)), v
            for _ in range(20):
                check_hostile_packed(mutated(packed))


def mutated(data):
    data = bytearray(data)
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(data) + 1)
        kind = rng.randrange(4)
        if kind == 0:
            data[at:at + 1] = bytes([rng.choice(b"NTFiIfcsbltSZDuryhgo\0\1\377")])
        elif kind == 1:
            del data[at:at + rng.randrange(1, 9)]
        elif kind == 2:
            data[at:at] = bytes(rng.randrange(256) for _ in range(rng.randrange(9)))
        else:
            data[at:at + 4] = rng.choice([b"\0\0\0\0", b"\xff\xff\xff\xff", b"\0\0\0\x05", b"\1\0\0\0"])
    return bytes(data)


TYPES = {type(None), bool, int, float, complex, str, bytes, bytearray, list, tuple, set, frozenset, dict, range, slice,
         collections.deque, collections.OrderedDict, collections.Counter, fractions.Fraction, decimal.Decimal,
         array.array, datetime.date, datetime.datetime, datetime.timedelta, type({}.keys()), type({}.values()),
         type({}.items()), type, wire.Opaque, wire.Digest} | set(wire.SUBCLASSES.values())


def check_hostile(data):
    try:
        v = wire.decode(data, iterator=lambda number: None)
    except wire.WireError:
        return
    todo = [v]
    while todo:
        v = todo.pop()
        assert type(v) in TYPES, type(v)
        if isinstance(v, (list, tuple, set, frozenset, collections.deque)):
            todo += v
        elif isinstance(v, dict):
            todo += list(v) + list(v.values())


PLAIN = {type(None), bool, int, float, complex, str, bytes, list, tuple, set, frozenset, dict}


def check_hostile_packed(data):
    try:
        v = wire.unpack(data)
    except wire.WireError:
        return
    todo = [v]
    while todo:
        v = todo.pop()
        assert type(v) in PLAIN, type(v)
        if isinstance(v, (list, tuple, set, frozenset)):
            todo += v
        elif isinstance(v, dict):
            todo += list(v) + list(v.values())


def check_packing():
    """What pack() takes, and that equal bytes are equal values of the same types."""
    for v in Lying([5]), Color.RED, [Color.RED], {1: Lying()}, range(3), bytearray(b"x"), memoryview(b"x"), [array.array("b", [1])], \
            object(), int, Always(), collections.Counter("a"), 1 << (8 * wire.MAX_PACKED_BYTES), "x" * (wire.MAX_PACKED_BYTES + 1):
        assert wire.pack(v) is None, v
    deep = [1]
    for _ in range(1000):
        deep = [deep]
    assert wire.pack(deep) is None
    values = [0, False, 0.0, -0.0, 0j, "", b"", [], (), {}, set(), frozenset(), None, "a", b"a", [1], (1,), [True], [1.0], 1, True, 1.0, 1 << 15, 1 << 31,
              -1 << 31, 1 << 1000, -(1 << 1000), "\ud800", [[1], [1]], [[1, 1]]]
    packed = [wire.pack(v) for v in values]
    assert len(set(packed)) == len(packed)
    assert all(text(wire.unpack(data)) == text(v) for data, v in zip(packed, values))
    interned, other = sys.intern("abc"), "".join(["a", "bc"])
    shared = [1, 2]
    assert wire.pack([interned]) == wire.pack([other]) and wire.pack([shared, shared]) == wire.pack([[1, 2], [1, 2]])
    for data in (b"", b"NN", b"[\xff\xff\xff\x7fN", b"[\xff\xff\xff\xff", b"r\0\0\0\0", b"c" + b"\0" * 64, b"\xdb\1\0\0\0r\0\0\0\0", b"l\0\0\0\x80", b"{N",
                 b"<\1\0\0\0[\0\0\0\0", b"(\1\0\0\0" * 100000 + b"N", b"i\0\0", b"u\1\0\0\0\xff", b"t\1\0\0\0a", b"S", b"."):
        try:
            wire.unpack(data)
            assert False, data[:20]
        except wire.WireError:
            pass


def refused(data):
    try:
        wire.decode(data)
    except wire.WireError:
        return True
    return False


def check_bounds():
    deep = b"l\1\0\0\0" * wire.MAX_DEPTH
    assert wire.decode(deep + b"N")
    assert refused(b"l\1\0\0\0" + deep + b"N")
    assert refused(b"u" * 10000 + b"i" + b"\0" * 8)
    assert refused(b"r\4\0\0\0list" * 10000)
    assert refused(b"l" + (wire.MAX_NODES + 1).to_bytes(4, "little") + b"N" * (wire.MAX_NODES + 1))
    assert refused(b"l\xff\xff\xff\xffNN")
    assert refused(b"I" + (wire.MAX_INT_BYTES + 1).to_bytes(4, "little") + b"\1" * (wire.MAX_INT_BYTES + 1))
    assert refused(b"NN") and refused(b"") and refused(b"g" + b"\0" * 8)
    assert refused(b"S\1\0\0\0l\0\0\0\0")
    assert refused(b"r\6\0\0\0system" + b"t\0\0\0\0")
    assert refused(b"y\4\0\0\0open") and refused(b"y\4\0\0\0eval")


class Lying(list):
    def __len__(self):
        return 7

    def __iter__(self):
        return iter([1, 2])

    def __eq__(self, other):
        return True

    __hash__ = None


class Color(enum.IntEnum):
    RED = 3


class Always:
    def __eq__(self, other):
        return True


def check_subclasses():
    for v, plain in (
            (Lying([5]), [5]), (Color.RED, 3), (collections.namedtuple("P", "a b")(1, 2), (1, 2)),
            (collections.defaultdict(int, {1: 2}), {1: 2}), (type("S", (str,), {"__eq__": lambda *_: True})("x"), "x"),
            (type("F", (float,), {"__sub__": lambda *_: 0.0})(1.5), 1.5)):
        back = wire.decode(wire.encode(v))
        assert back == plain and type(back) is wire.SUBCLASSES[type(plain)], v
        assert back != (plain, 0) and not back == object()
    opaque = wire.decode(wire.encode([Always(), len, lambda: 0], keep=id))
    assert all(type(v) is wire.Opaque for v in opaque) and opaque[0] != 1 and opaque[0] != opaque[1]
    try:
        wire.encode(Always())
        assert False
    except wire.WireError:
        pass
    cyclic = []
    cyclic.append(cyclic)
    wide = [0]
    for _ in range(40):
        wide = [wide, wide]
    for v in cyclic, wide, 1 << (8 * wire.MAX_INT_BYTES):
        try:
            wire.encode(v)
            assert False
        except wire.WireError:
            pass


def check_digests():
    many = [(1, "a")] * wire.MAX_NODES
    digest = wire.brief(many)
    assert type(digest) is wire.Digest and wire.decode(wire.encode(digest)) == digest != wire.brief(tuple(many))
    assert digest == wire.brief([tuple([1, "ab"[:1]]) for _ in many]) != wire.brief(many + [0])
    assert wire.brief(many[:9]) == many[:9]


check_bounds()
check_digests()
check_packing()
check_subclasses()
check_round_trips(int(sys.argv[2]))
