"""EvalPlus: the program's results for many inputs, compared with those of the reference solution."""

import copy
import math
import pickle
import time

import tester
import wire

# A call may take this many times what the reference solution took, and at least so many seconds.
TIMES = 4.0
LEAST_SECONDS = 4.0

# All calls together may take this much, and as much more as EvalPlus's clock is late.
ALL_SECONDS = 60.0
LATE_SECONDS = 2.0

# The reference solution as a program has cases that took it so many seconds in all. Its results are right by definition:
# what may show is that they do not cross, or are others each time, and that shows in the quickest cases.
OWN_SECONDS = 0.5

RTOL = 1e-7

# Of these functions of MBPP+ results are compared as sets.
AS_SETS = ("similar_elements", "find_char_long", "common_in_nested_lists", "extract_singly", "larg_nnum",
           "intersection_array", "find_dissimilar", "Diff")

# The reference solutions of these return match objects, of which only matters whether there is one.
NONE_OR_NOT = ("check_str", "text_match_three", "text_starta_endb")


# Cases that are sent to the candidate's process together have at most so many bytes of arguments.
BATCH_BYTES = 4 << 20


class Case:
    """An input with what is right for it. It is made once for a problem, and what few programs need of it is pickled."""

    def __init__(self, number, compare, arguments, expected, took):
        self.number = number
        self.took = took
        self.limit = max(LEAST_SECONDS, TIMES * took)
        self.packed = wire.pack(tuple(arguments))
        self.values = pickle.dumps((arguments, expected), 4)
        self.floats = consists_of_floats(expected)
        # The bytes of a result that is right, where there are such: not of NaN, which equals nothing.
        self.exact = wire.pack(expected)
        if self.exact is not None and not passes(compare, arguments, wire.unpack(self.exact), expected):
            self.exact = None

    def together(self, compare):
        """Says whether this case may be one of a batch."""
        return self.packed is not None and not compare.looks_at_arguments and not compare.iterates


def passes(compare, *values):
    try:
        return compare.right(*values)
    except Exception:  # a comparison that this problem's values are not made for fails programs, one by one
        return False


def prepare(problem):
    """Returns what does not depend on the program: for each part what grade() needs, and the limit of all its cases."""
    module = {}
    exec(compile(problem["prompt"] + problem["canonical_solution"], "<reference>", "exec", 0, True), module)
    function = module[problem["entry_point"]]
    brief = {key: problem[key] for key in ("task_id", "entry_point", "atol")}
    parts = {}
    for part in "base", "plus":
        cases = []
        for number, arguments in enumerate(typed(problem["task_id"], problem[part + "_input"])):
            began = time.process_time()
            expected = wire.brief(function(*copy.deepcopy(arguments)))
            took = time.process_time() - began
            if problem["entry_point"] in NONE_OR_NOT:
                expected = expected is not None
            cases.append(Case(number, Comparison(problem), arguments, expected, took))
        parts[part] = (brief, cases), min(ALL_SECONDS, sum(case.limit for case in cases)) + LATE_SECONDS
    return parts


def quickest(cases):
    """Returns the cases that take the reference solution least, as many as it does in OWN_SECONDS."""
    chosen, seconds = [], 0.0
    for case in sorted(cases, key=lambda case: case.took):
        seconds += case.took
        if seconds > OWN_SECONDS:
            break
        chosen.append(case)
    return sorted(chosen, key=lambda case: case.number)


def grade(job, candidate):
    problem, cases = job.unpickle_prepared()
    job.plain = True  # there is no test but what is here
    if job.order["own"]:
        cases = quickest(cases)
    compare = Comparison(problem)
    candidate.load(job.program, no_builtins=("open",))
    together = all([case.together(compare) for case in cases])
    results = in_batches if together else one_by_one
    for case, result in results(candidate, problem["entry_point"], compare, cases):
        if result is RIGHT:
            compare.loosen(case.floats)
            continue
        arguments, expected = pickle.loads(case.values)
        if not compare.right(arguments, result, expected):
            raise tester.Failure("wrong result for input %d" % case.number)


RIGHT = object()  # stands for a result that is known to be right


def in_batches(candidate, name, compare, cases):
    """Yields each case with the candidate's result. Many short cases are sent at once.

    Those are of one limit, so that it does not matter to which of them time is charged that an answer is kept back.
    """
    while cases:
        if cases[0].limit > LEAST_SECONDS:
            yield from one_by_one(candidate, name, compare, cases[:1])
            cases = cases[1:]
            continue
        count = size = 0
        while count < len(cases) and cases[count].limit == LEAST_SECONDS and (
                count == 0 or size + len(cases[count].packed) <= BATCH_BYTES):
            size += len(cases[count].packed)
            count += 1
        batch, cases = cases[:count], cases[count:]
        results = candidate.cases(name, [case.packed for case in batch], LEAST_SECONDS)
        for case, (packed, result) in zip(batch, results):
            if packed is None:
                yield case, result
            elif packed == case.exact:
                yield case, RIGHT
            else:
                yield case, unpacked(packed)


def unpacked(data):
    try:
        return wire.unpack(data)
    except wire.WireError as e:
        raise tester.Lost(str(e))


def one_by_one(candidate, name, compare, cases):
    """Yields each case with the candidate's result."""
    for case in cases:
        arguments, expected = pickle.loads(case.values)
        result = candidate.call(name, arguments, {}, case.limit, compare.looks_at_arguments)
        # A program may not change what its result is measured by.
        if compare.looks_at_arguments:
            untouched, _ = pickle.loads(case.values)
            if not compare.right(arguments, result, expected):
                raise tester.Failure("wrong result for input %d" % case.number)
            if not compare.right(untouched, result, expected):
                raise tester.Failure("wrong result for input %d, which the program has changed" % case.number)
        yield case, result


class Comparison:
    """EvalPlus's comparison of results, over all inputs of a part.

    The tolerance is the problem's. Where that is zero it becomes 1e-6 at the first expected result that is a float or
    consists of floats, and stays so.
    """

    def __init__(self, problem):
        self.name = problem["entry_point"]
        self.mbpp = problem["task_id"].startswith("Mbpp/")
        self.atol = problem["atol"]
        self.looks_at_arguments = not self.mbpp and self.name == "find_zero"
        self.iterates = self.mbpp and self.name in AS_SETS  # over results, which may take requests

    def right(self, arguments, result, expected):
        if self.looks_at_arguments:
            coefficients, = arguments
            value = sum([c * math.pow(result, i) for i, c in enumerate(coefficients)])
            return abs(value) <= self.atol
        equal = self.equal(arguments, result, expected)
        self.loosen(consists_of_floats(expected))
        if equal or self.atol == 0:
            return bool(equal)
        if type(result) is not type(expected):
            return False
        result = plain(result)
        if isinstance(expected, (list, tuple)) and len(result) != len(expected):
            return False
        return all_close(result, expected, self.atol)

    def loosen(self, floats):
        """Notes whether an expected result consists of floats."""
        if self.atol == 0 and floats:
            self.atol = 1e-6

    def equal(self, arguments, result, expected):
        """Says whether a result is right without tolerance. Some problems of MBPP+ have several right results."""
        equal = result == expected
        if not self.mbpp:
            return equal
        if self.name == "are_equivalent":
            return True
        if self.name == "sum_div":
            return equal or result == 0
        if self.name == "surface_Area":
            return equal or abs(result - surface_of_pyramid(*arguments)) <= self.atol
        if self.name == "digit_distance_nums":
            return equal or result == digit_distance(*arguments)
        if self.name in AS_SETS:
            return set(result) == set(expected)
        if self.name in NONE_OR_NOT:
            return result == expected if isinstance(result, bool) else expected == (result is not None)
        return equal


def surface_of_pyramid(base, height):
    """Returns the surface of a square pyramid whose height is that of its apex above the base, rounded."""
    slant = math.sqrt((base / 2) ** 2 + height ** 2)
    return round(base ** 2 + 2 * base * slant)


def digit_distance(a, b):
    """Returns the sum of the differences of digits at the same place, units aligned."""
    a, b = str(a), str(b)
    width = max(len(a), len(b))
    return sum(abs(int(x) - int(y)) for x, y in zip(a.zfill(width), b.zfill(width)))


def consists_of_floats(value):
    if isinstance(value, (list, tuple)):
        return len(value) > 0 and all(isinstance(v, float) for v in value)
    return isinstance(value, float)


def all_close(a, b, atol):
    """Answers as numpy.allclose(a, b, RTOL, atol) does for numbers and nested lists and tuples of them.

    For all else numpy raises, which EvalPlus takes for a failure.
    """
    shape_a, shape_b = shape(a), shape(b)
    if shape_a is None or shape_b is None:
        return False
    # As in numpy, the shorter shape gets leading ones, and a length of one stands for any length.
    while len(shape_a) < len(shape_b):
        a, shape_a = [a], (1,) + shape_a
    while len(shape_b) < len(shape_a):
        b, shape_b = [b], (1,) + shape_b
    return all(x == y or 1 in (x, y) for x, y in zip(shape_a, shape_b)) and close(a, b, len(shape_a), atol)


def plain(value):
    """Returns a value with Python's numbers in the place of numpy's, and lists in that of its arrays."""
    if isinstance(value, (list, tuple)):
        return type(value)([plain(v) for v in value])
    return value.tolist() if type(value).__module__ == "numpy" else value


def shape(value):
    """Returns the lengths of nested sequences level by level, or None if they are uneven or hold no numbers."""
    if isinstance(value, (list, tuple)):
        shapes = {shape(v) for v in value}
        if None in shapes or len(shapes) > 1:
            return None
        return (len(value),) + (shapes.pop() if shapes else ())
    if isinstance(value, int):
        return () if -2 ** 63 <= value < 2 ** 64 else None
    return () if isinstance(value, (float, complex)) else None


def close(a, b, depth, atol):
    """Compares arrays of a depth whose shapes go together."""
    if depth > 0:
        if len(a) == 1:
            a = list(a) * len(b)
        elif len(b) == 1:
            b = list(b) * len(a)
        return all(close(x, y, depth - 1, atol) for x, y in zip(a, b))
    a, b = (v if isinstance(v, complex) else float(v) for v in (a, b))
    if math.isinf(abs(a)) or math.isinf(abs(b)):
        return a == b
    return abs(a - b) <= atol + RTOL * abs(b)


def each(kind):
    """Returns a function that makes the given kind of every list in a list."""
    return lambda value: [kind(v) for v in value]


def same(value):
    return value


def tuple_of_tuples(value):
    return tuple(tuple(v) if isinstance(v, list) else v for v in value)


def tuples_throughout(value):
    return tuple(map(tuples_throughout, value)) if isinstance(value, list) else value


def set_or_empty_dict(value):
    return set(value) if isinstance(value, list) and value else {}


def dict_of_tuples(value):
    return {k: tuple(v) for k, v in value.items()}


# What JSON could not keep of the inputs of MBPP+: by problem, how to make an argument from what JSON has. Arguments
# beyond these are as they are.
TYPES = {number: functions for numbers, functions in (
    ((2, 116, 132, 143, 222, 261, 273, 394, 399, 421, 424, 429, 470, 560, 579, 596, 616, 630, 726, 740, 744, 809),
     (tuple, tuple)),
    ((63, 64, 70, 94, 120, 237, 272, 299, 400, 409, 417, 438, 473, 614, 780), (each(tuple), each(tuple))),
    ((75, 413, 444, 753), (each(tuple),)),
    ((106, 750), (same, tuple)),
    ((250, 307, 405, 446, 617, 720, 763, 808), (tuple,)),
    ((259, 278, 401, 445), (tuple_of_tuples, tuple_of_tuples)),
    ((580, 615, 791), (tuples_throughout,)),
    ((115,), (each(set_or_empty_dict),)),
    ((124,), (float, complex)),
    ((252,), (complex,)),
    ((722,), (dict_of_tuples,)),
) for number in numbers}


def typed(task_id, inputs):
    """Returns the inputs of a problem with the types that they had before they became JSON."""
    dataset, _, number = task_id.partition("/")
    functions = TYPES.get(int(number), ()) if dataset == "Mbpp" else ()
    return [[f(a) for f, a in zip(functions, arguments)] + list(arguments[len(functions):]) for arguments in inputs]
