"""Cuts the program out of a model's answer, as EvalPlus's sanitiser does.

First the longest run of whole lines that parses is taken (code_span). Of its
top-level statements, the imports are kept and those definitions that the entry
point reaches (definitions). The reference finds the statements with
tree-sitter; here CPython's own parser does.

The text is hostile. Nothing of it is executed, but parsing may take much memory
or end the interpreter, so this runs in a process of its own.
"""

import ast
import gc
import re
import sys
import warnings

# A control sequence of a terminal (ECMA-48): ESC [ parameters, intermediate
# bytes, a final byte; or ESC and one byte.
CONTROL_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[@-Z\\\]^_])")

# An indented line with code on it. Form feeds and backslashes are left out:
# they can undo the indentation.
INDENTED = re.compile(r"[ \t]+[^ \t\f\\#\r\n]")

# Comments behind and below the last statement of a body, in UTF-8.
TRAILING_COMMENT = re.compile(rb"[ \t\f;]*#[^\n]*")
COMMENT_LINE = re.compile(rb"([ \t\f]*)#[^\n]*")

# Complete: the lines parse. Open: they do not, but they may with further lines.
# Dead: they do not, whatever lines follow.
COMPLETE, OPEN, DEAD = "complete", "open", "dead"

# The most that the parser is given while the longest run is looked for: so many
# characters, or so many times the text. It is seconds of work, and answers of
# models take a hundredth of it. Then the best run so far counts, whatever the
# machine.
MAX_PARSED = 4 << 20
MAX_TIMES = 8

# Lets the parser say whether it failed at the end of its input (3.11 and
# later; codeop depends on it too).
ALLOW_INCOMPLETE_INPUT = 0x4000


def sanitize(text, entry_point=None):
    """Return the program in text: imports and what entry_point needs."""
    gc.disable()  # it would look at large trees again and again, in which nothing is circular
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of invalid escapes: they are the text's business
        span = code_span(CONTROL_SEQUENCE.sub("", text))
        return definitions(span, entry_point).strip() or span


# The longest run of lines.


def code_span(text):
    """Return the run of at least two lines that parses and has most lines that
    are not blank, the first of several; the first line where there is none."""
    lines = text.split("\n")
    search = SpanSearch(lines)
    first, last = search.run()
    return "\n".join(lines[first : last + 1])


class Exhausted(Exception):
    """The parser has been given enough."""


class SpanSearch:
    """Finds what trying all runs of lines would find, with far fewer parses.

    - Code that begins indented does not parse.
    - If a run is dead (see above), so is every longer one with the same start.
      So the end of what is alive is found by bisection, and the best run from
      that start is the first one downwards from there that is complete.
    - Two complete runs, one after the other, make a complete run. So where
      start..k-1 is complete, no run that starts at k is better than the one
      that starts at start.
    """

    def __init__(self, lines):
        self.lines = lines
        self.unparsed = max(MAX_PARSED, MAX_TIMES * sum(map(len, lines)))
        self.dominated = [False] * (len(lines) + 1)
        self.filled = [0]  # filled[i]: lines before line i that are not blank
        for line in lines:
            self.filled.append(self.filled[-1] + bool(line.strip()))
        # barrier[i]: the first line from i on that the parser cannot even read.
        self.barrier = [len(lines)] * (len(lines) + 1)
        for i in range(len(lines) - 1, -1, -1):
            self.barrier[i] = self.barrier[i + 1] if readable(lines[i]) else i

    def run(self):
        best, most = (0, 0), 0
        for start in range(len(self.lines) - 1):
            if self.filled[-1] - self.filled[start] <= most:
                break
            if self.dominated[start] or INDENTED.match(self.lines[start]):
                continue
            try:
                last = self.last_complete(start)
                if last is not None and self.count(start, last) > most:
                    best, most = (start, self.shortest(start, last)), self.count(start, last)
            except Exhausted:
                break
        return best

    def count(self, start, last):
        return self.filled[last + 1] - self.filled[start]

    def last_complete(self, start):
        """The largest last line with which start is complete, None if none."""
        last = self.last_alive(start)
        while last > start:
            tree, error = self.parse(start, last)
            if tree is not None:
                self.dominate(start, last, tree)
                return last
            last = min(last - 1, start + unclosed(error) - 1)
        return None

    def last_alive(self, start):
        """The largest last line with which start is not dead."""
        end = self.barrier[start]  # the first line known to be dead
        alive, step = start, 1
        while alive + 1 < end:  # in growing steps: most starts are prose, and die at once
            last = min(alive + step, end - 1)
            if self.state(start, last) == DEAD:
                end = last
                break
            alive, step = last, 2 * step
        while alive + 1 < end:
            middle = (alive + end) // 2
            if self.state(start, middle) == DEAD:
                end = middle
            else:
                alive = middle
        return alive

    def state(self, start, last):
        tree, error = self.parse(start, last)
        if tree is not None:
            return COMPLETE
        if not isinstance(error, SyntaxError):
            return OPEN  # too deep for the parser: nothing is known
        if sys.version_info >= (3, 11):
            _, error = self.parse(start, last, ALLOW_INCOMPLETE_INPUT)
            at_end = not isinstance(error, SyntaxError) or error.msg == "incomplete input"
        else:
            at_end = self.fails_at_end(start, last, error)
        return OPEN if at_end else DEAD

    def fails_at_end(self, start, last, error):
        """Whether further lines could mend the error, seen from where it is and what it says."""
        if error.lineno is None or unclosed(error) < last - start + 1 or "EOF" in error.msg:
            return True
        while last > start and not is_code(self.lines[last]):
            last -= 1
        return error.lineno >= last - start + 1

    def shortest(self, start, last):
        """The smallest last line with which start is complete and has as many lines that are not blank."""
        count = self.count(start, last)
        shorter = last
        while shorter > start + 1 and self.count(start, shorter - 1) == count:
            shorter -= 1
        while shorter < last and self.parse(start, shorter)[0] is None:
            shorter += 1
        return shorter

    def dominate(self, start, last, tree):
        """Mark the lines before which start is complete."""
        ends = []  # lines, counted from start, after which a statement has ended and none goes on
        lone = any("\r" in line[:-1] for line in self.lines[start : last + 1])
        for statement in [] if lone else tree.body:  # the parser counts lines at a lone carriage return too
            if ends and statement.lineno <= ends[-1]:
                ends.pop()
            ends.append(statement.end_lineno)
        for end in [0] + ends:
            line = start + end
            if end > 0 and self.lines[line - 1].rstrip().endswith("\\"):
                continue
            while line <= last:
                self.dominated[line] = True
                if is_code(self.lines[line]):
                    break
                line += 1
        self.dominated[last + 1] = True

    def parse(self, start, last, flags=0):
        """The syntax tree of lines start to last, or None and the error."""
        source = "\n".join(self.lines[start : last + 1])
        self.unparsed -= len(source)
        if self.unparsed < 0:
            raise Exhausted
        return parse(source, flags)


def parse(source, flags=0):
    try:
        return compile(source, "<text>", "exec", ast.PyCF_ONLY_AST | flags, dont_inherit=True), None
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        return None, error


def unclosed(error):
    """The line of the bracket or string that the end of the text leaves open,
    as the error says, else a number beyond all lines. Up to any line from there
    on, it is open too."""
    message = getattr(error, "msg", None) or ""
    if message.endswith("was never closed") or message.startswith("unterminated triple-quoted"):
        return error.lineno
    return sys.maxsize


def readable(line):
    """Whether the line is without characters that the parser refuses anywhere."""
    try:
        line.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return "\0" not in line


def is_code(line):
    """Whether the line is more than white space and a comment, if no string goes over it."""
    line = line.lstrip(" \t\f")
    return line.rstrip("\r") != "" and not line.startswith("#")


# The statements that are kept.


def definitions(span, entry_point):
    """Return the imports of span, and those of its definitions that entry_point reaches (all if it is None)."""
    tree, _ = parse(span)
    if tree is None:
        return ""
    source = Source(span)
    imports, found, names = [], [], set()
    for statement in tree.body:
        if is_import(statement):
            imports.append(statement)
        elif is_definition(statement):
            name = defined_name(statement)
            if name not in names:  # the first definition counts
                names.add(name)
                found.append((name, statement))
    if entry_point:
        wanted = reachable(entry_point, {name: identifiers(node) for name, node in found})
        found = [(name, node) for name, node in found if name in wanted]
    return "\n".join(source.segment(node) for node in imports + [node for _, node in found])


def is_import(node):
    if isinstance(node, ast.ImportFrom):
        return not (node.module == "__future__" and node.level == 0)
    return isinstance(node, ast.Import)


def is_definition(node):
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return not node.decorator_list and any(isinstance(n, ast.Return) for n in ast.walk(node))
    if isinstance(node, ast.ClassDef):
        return not node.decorator_list
    return isinstance(node, (ast.Assign, ast.AnnAssign))


def defined_name(node):
    """The name of a definition. The reference takes the first identifier among
    a node's children: for an assignment, that is the name on the left, or else
    a lone name on the right."""
    if not isinstance(node, (ast.Assign, ast.AnnAssign)):
        return node.name
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    in_brackets = (node.lineno, node.col_offset) != (targets[0].lineno, targets[0].col_offset)
    if isinstance(targets[0], ast.Name) and not in_brackets:
        return targets[0].id
    value = node.value
    if isinstance(value, ast.Name) and len(targets) == 1:
        in_brackets = (node.end_lineno, node.end_col_offset) != (value.end_lineno, value.end_col_offset)
        return None if in_brackets else value.id
    return None


def identifiers(node):
    """All names in node: of variables, attributes, parameters, keywords, modules, patterns."""
    names = set()
    for child in ast.walk(node):
        for field, value in ast.iter_fields(child):
            if isinstance(child, ast.Constant) or field == "type_comment":
                continue
            for item in value if isinstance(value, list) else [value]:
                if isinstance(item, str):
                    names.update(item.split("."))  # import a.b
    return names


def reachable(name, uses):
    """All names that name leads to, itself included."""
    seen, queue = {name}, [name]
    while queue:
        for other in uses.get(queue.pop(), ()):
            if other not in seen:
                seen.add(other)
                queue.append(other)
    return seen


class Source:
    """A text whose pieces are found by the positions in syntax trees: lines as
    the parser counts them, and columns in bytes of UTF-8."""

    def __init__(self, text):
        self.lines = re.split(rb"(?<=\n)|(?<=\r)(?!\n)", text.encode("utf-8"))

    def segment(self, node):
        last, end = node.end_lineno - 1, node.end_col_offset
        if hasattr(node, "body"):
            last, end = self.after_comments(node.body[0], last, end)
        lines = self.lines[node.lineno - 1 : last + 1]
        lines[-1] = lines[-1][:end]
        lines[0] = lines[0][node.col_offset :]
        return b"".join(lines).decode("utf-8")

    def after_comments(self, body, last, end):
        """Where the comments end that follow a body: on its last line, and
        below it where they are indented as far."""
        comment = TRAILING_COMMENT.match(self.lines[last], end)
        if comment:
            end = comment.end()
        indent = self.lines[body.lineno - 1][: body.col_offset]
        if indent.strip():
            return last, end  # a body on the line of its header
        for i in range(last + 1, len(self.lines)):
            if not self.lines[i].strip():
                continue
            comment = COMMENT_LINE.match(self.lines[i])
            if not comment or len(comment[1].expandtabs()) < len(indent.expandtabs()):
                break
            last, end = i, comment.end()
        return last, end
