"""Makes random chat templates and says what transformers (5.24) renders from them.

    python3 random_templates.py SEED COUNT > random_templates.jsonl

Each line has a template, messages, kwargs, and the text or the error. All of it is drawn from the seed.
"""
import json
import random
import sys
from datetime import datetime

from transformers.utils import chat_template_utils as utils

rand = random.Random(int(sys.argv[1]))
pick = rand.choice


class Clock(datetime):
    @classmethod
    def now(cls, tz=None):
        return datetime(2025, 3, 9, 8, 5, 7)


utils.datetime = Clock

TEXTS = ["", "a", "Hello World", " pad ", "x\ny", "it's", 'say "hi"', "é世😀", "ß", "DŽungla", "a,b,,c", "1", "-2.5", "12abc", "<b>&", "\t tab\n", "THE end", "a b  c ", "ΑΣ", "ﬁn", "\\n", "%s %d", "{} {x}",
         "one\r\ntwo\u2028three", "\x00\x7f\u200b"]
ROLES = ["system", "user", "assistant", "tool"]
JSON_ARGS = ['', '(indent=2)', '(ensure_ascii=true)', '(sort_keys=true)', "(separators=(',', ':'))"]
CUTS = ['5', '8, true', "3, false, ''", '9, leeway=0']
FILLS = ['', ", '*'"]
TESTS = ['', ", 'defined'", ", 'none'", ", 'string'"]
KINDS = ['', "('string')", "('number')", "('defined')", "('odd')"]
BLOCK_FILTERS = ['upper', 'trim', 'indent(1)', "replace('a', 'b') | lower"]
MORE = ['', ', 2', ', b=3', ', *[1]', ", **{'b': 4}"]
NAMES = ["messages", "tools", "bos_token", "eos_token", "flag", "number", "word", "table", "nothing", "missing", "numbers", "words", "nested"]


def chance(p):
    return rand.random() < p


def literal_text():
    t = pick(TEXTS)
    out = ""
    for c in t:
        out += {"\n": "\\n", "\\": "\\\\", '"': '\\"', "\t": "\\t", "\r": "\\r", "\x00": "\\x00"}.get(c, c)
    return '"' + out + '"' if chance(0.5) else "'" + out.replace("'", "\\'").replace('\\"', '"') + "'"


def integer():
    return str(pick([0, 1, 2, 3, 5, 7, 10, 255, 1000000]))


def affix():
    return pick([literal_text(), "('a', 'b')"])


def number(d):
    return pick([integer, integer, lambda: pick(["1.5", "2.0", "0.1", "1e3", "2.5e-7", "3.14159", "1e20"]), lambda: f"{seq(d)} | length", lambda: "number",
                 lambda: f"({number(d)} {pick(['+', '-', '*', '//', '%', '/', '**'])} {number(d - 1)})" if d > 0 else integer(),
                 lambda: f"-{integer()}", lambda: f"{text(d)} | int", lambda: f"({number(d - 1)}) | abs" if d > 0 else "1", lambda: f"({number(d - 1)}) | round({pick(['', '1', '2'])})" if d > 0 else "1",
                 lambda: f"({seq(d)}) | first | int", lambda: "loop.index", lambda: f"{text(d)} | float", lambda: f"{text(d)}.{pick(['find', 'count', 'rfind'])}({literal_text()})"])()


def text(d):
    if d <= 0:
        return pick([literal_text, lambda: "word", lambda: "bos_token", lambda: "messages[0].content", lambda: "messages[-1]['role']", lambda: "m.content", lambda: "x"])()
    return pick([
        literal_text, lambda: f"({text(d - 1)} + {text(d - 1)})", lambda: f"({any_(d - 1)} ~ {any_(d - 1)})", lambda: f"{text(d - 1)}[{pick(['0', '-1', '1:', ':2', '::-1', '1:-1', '::2'])}]",
        lambda: f"{text(d - 1)}.{pick(['strip', 'upper', 'lower', 'title', 'capitalize', 'lstrip', 'rstrip'])}()",
        lambda: f"{text(d - 1)}.{pick(['strip', 'lstrip', 'rstrip'])}({literal_text()})",
        lambda: f"{text(d - 1)}.replace({literal_text()}, {literal_text()}{pick(['', ', 1'])})", lambda: f"{text(d - 1)}.split({pick(['', literal_text(), literal_text() + ', 1'])})[{pick(['0', '-1'])}]",
        lambda: f"{text(d - 1)} | {pick(['trim', 'upper', 'lower', 'title', 'capitalize', 'string', 'e', 'length', 'list', 'reverse', 'wordcount', 'indent', 'indent(2, true)', 'center(9)', 'tojson', 'default(1)', 'first', 'last', 'unique | join', 'sort | join'])}",
        lambda: f"{seq(d - 1)} | join({literal_text()})", lambda: f"{any_(d - 1)} | tojson{pick(JSON_ARGS)}",
        lambda: f"({text(d - 1)} if {boolean(d - 1)} else {text(d - 1)})", lambda: f"({text(d - 1)} if {boolean(d - 1)})", lambda: f"{any_(d - 1)} | string",
        lambda: f"{literal_text()} | format({any_(d - 1)}, {number(d - 1)})", lambda: f"{any_(d - 1)} | default({literal_text()}{pick(['', ', true'])})",
        lambda: f"{text(d - 1)} * {pick(['0', '2', '3'])}", lambda: f"({boolean(d - 1)} and {text(d - 1)})", lambda: f"({any_(d - 1)} or {text(d - 1)})",
        lambda: f"strftime_now({pick(['%d %b %Y', '%A %j %H:%M:%S %p', '%-d/%-m/%y %c'])!r})", lambda: f"{text(d - 1)}.{pick(['removeprefix', 'removesuffix'])}({literal_text()})",
        lambda: f"{text(d - 1)} | replace({literal_text()}, {literal_text()})", lambda: f"{text(d - 1)} | truncate({pick(CUTS)})",
        lambda: f"{text(d - 1)}.{pick(['partition', 'rpartition'])}({literal_text()})[{pick('012')}]", lambda: f"{literal_text()}.format({any_(d - 1)}, x={any_(d - 1)})",
        lambda: f"'%{pick(['s', 'r', '5s', '-7s|', '.2s', 'd', '05d', '+d', '.3f', 'g', 'e', '%'])}' % ({any_(d - 1)},)", lambda: f"{text(d - 1)}.{pick(['ljust', 'rjust', 'center'])}(7{pick(FILLS)})",
    ])()


def seq(d):
    if d <= 0:
        return pick(["messages", "numbers", "words", "[1, 2, 3]", "(1, 'a')", "[]", "table", "range(3)", "'abc'", "nested"])
    return pick([
        lambda: "[" + ", ".join(any_(d - 1) for _ in range(rand.randint(0, 3))) + "]", lambda: "(" + "".join(any_(d - 1) + ", " for _ in range(rand.randint(1, 3))) + ")",
        lambda: f"{seq(d - 1)}[{pick(['1:', ':1', '::-1', ':-1'])}]", lambda: f"({seq(d - 1)} + {seq(d - 1)})", lambda: f"{seq(d - 1)} | {pick(['list', 'sort', 'reverse | list', 'unique | list', 'sort(reverse=true)', 'batch(2) | list'])}",
        lambda: f"messages | map(attribute={pick(['role', 'content', 'name', 'missing'])!r}{pick(['', ', default=0'])}) | list", lambda: f"{seq(d - 1)} | map({pick(['upper', 'string', 'length', 'trim', 'int', 'default'])!r}) | list",
        lambda: f"messages | selectattr('role', {pick(['equalto', '==', 'ne', 'in'])!r}, {pick(['user', 'assistant', 'system user'])!r}) | list", lambda: f"messages | rejectattr({pick(['name', 'content', 'role'])!r}{pick(TESTS)}) | list",
        lambda: f"{seq(d - 1)} | select{pick(KINDS)} | list", lambda: f"range({integer()} % 7, 9{pick(['', ', 2', ', -1'])})", lambda: f"{text(d - 1)}.split()",
        lambda: f"{mapping(d - 1)}.{pick(['keys', 'values', 'items'])}() | list", lambda: f"{mapping(d - 1)} | dictsort", lambda: f"{mapping(d - 1)} | items | list", lambda: f"{text(d - 1)}.splitlines()", lambda: f"{text(d - 1)}.rsplit({pick(['', 'none, 1'])})",
    ])()


def mapping(d):
    return pick([lambda: "table", lambda: "messages[0]", lambda: "{" + ", ".join(f"{pick([literal_text(), integer(), 'true', 'none', '(1, 2)', '1.0'])}: {any_(d - 1)}" for _ in range(rand.randint(0, 3))) + "}",
                 lambda: f"dict(a={any_(d - 1)}, b=2)", lambda: "dict([('k', 1), (2, 'v')])", lambda: "nested.deep", lambda: "m"])()


def boolean(d):
    if d <= 0:
        return pick(["true", "false", "flag", "none", "missing is defined", "loop.first", "loop.last"])
    return pick([
        lambda: f"{any_(d - 1)} {pick(['==', '!='])} {any_(d - 1)}", lambda: f"{number(d - 1)} {pick(['<', '<=', '>', '>='])} {number(d - 1)}{pick(['', ' < 5'])}", lambda: f"{text(d - 1)} {pick(['in', 'not in', '<', '>'])} {text(d - 1)}",
        lambda: f"{any_(d - 1)} in {seq(d - 1)}", lambda: f"not {boolean(d - 1)}", lambda: f"({boolean(d - 1)} {pick(['and', 'or'])} {boolean(d - 1)})",
        lambda: f"{any_(d - 1)} is {pick(['', 'not '])}{pick(['defined', 'undefined', 'none', 'string', 'number', 'integer', 'float', 'mapping', 'iterable', 'sequence', 'boolean', 'true', 'false', 'callable', 'lower', 'upper'])}",
        lambda: f"{number(d - 1)} is {pick(['odd', 'even', 'divisibleby 3', 'divisibleby(2)', 'gt 2', 'eq 1', 'in [1, 2]'])}", lambda: f"{text(d - 1)}.{pick(['startswith', 'endswith'])}({affix()})",
        lambda: f"{text(d - 1)}.{pick(['isdigit', 'isalpha', 'isalnum', 'isspace', 'isupper', 'islower', 'isdecimal'])}()", lambda: f"{text(d - 1)} in {mapping(d - 1)}", lambda: any_(d - 1),
        lambda: f"loop.{pick(['first', 'last'])}", lambda: f"loop.changed({any_(d - 1)})", lambda: f"(none is none) is true",
    ])()


def any_(d):
    return pick([text, text, number, seq, mapping, boolean, lambda d: pick(NAMES), lambda d: "none", lambda d: f"messages[{rand.randint(-1, 2)}].{pick(['role', 'content', 'name', 'items', 'get', 'pop', '_x'])}",
                 lambda d: f"table.{pick(['a', 'b', 'items', 'keys', 'zz'])}", lambda d: f"{mapping(d)}.get({literal_text()}{pick(['', ', 1'])})", lambda d: f"ns.{pick('ab')}", lambda d: "x", lambda d: "y", lambda d: "m",
                 lambda d: f"mac({any_(d - 1) if d > 0 else '1'}{pick(MORE)})", lambda d: f"loop.{pick(['index', 'index0', 'revindex', 'length', 'previtem', 'nextitem', 'depth', 'cycle(1, 2)'])}",
                 lambda d: f"{text(d)}[{number(d - 1) if d > 0 else 0}]", lambda d: f"{seq(d)}[{pick(['0', '-1', '5', 'number'])}]"])(d)


def tag(s):
    return "{%" + pick(["", "", "-", "-", "+"]) + " " + s + " " + pick(["", "", "-", "-", "+"]) + "%}"


def show(s):
    return "{{" + pick(["", "", "-"]) + " " + s + " " + pick(["", "", "-"]) + "}}"


def data():
    return pick(["", " ", "\n", "\n  ", "text", " a \n\n b ", "  \n", "<|im|>\n", "\r\n x", "{# note #}\n", "{#- c -#} ", "\t", "{% raw %}{{ x }} {% endraw %}\n", "{%- raw -%} r {%- endraw -%}"])


def statements(d):
    return "".join(data() + statement(d) + data() for _ in range(rand.randint(1, 3)))


def statement(d):
    if d <= 0:
        return show(any_(2))
    return pick([
        lambda: show(any_(3)), lambda: show(text(3)), lambda: show(seq(2)), lambda: show(number(2)), lambda: show(boolean(2)),
        lambda: tag(f"if {boolean(2)}") + statements(d - 1) + (tag(f"elif {boolean(2)}") + statements(d - 1) if chance(0.3) else "") + (tag("else") + statements(d - 1) if chance(0.5) else "") + tag("endif"),
        lambda: tag(f"for {pick(['m', 'x', 'x', 'y'])} in {seq(2)}{pick(['', '', ' if ' + boolean(1)])}") + statements(d - 1) + (tag(pick(["break", "continue"])) if chance(0.1) else "") + (tag("else") + statements(d - 1) if chance(0.2) else "") + tag("endfor"),
        lambda: tag("for m in messages") + statements(d - 1) + tag("endfor"), lambda: tag(f"for k, v in {mapping(1)}.items()") + show("k ~ v") + statements(d - 1) + tag("endfor"),
        lambda: tag(f"set {pick(['x', 'y', 'word', 'm'])} = {any_(2)}"), lambda: tag("set x, y = " + pick(["1, 2", "(3, 'b')", "'pq'"])), lambda: tag(f"set ns = namespace(a={any_(1)}, b=1)"),
        lambda: tag(f"set ns.{pick('ab')} = {any_(2)}"), lambda: tag(f"set {pick('xy')}{pick(['', ' | upper', ' | trim'])}") + statements(d - 1) + tag("endset"),
        lambda: tag("macro mac(a, b=1)") + statements(d - 1) + show(pick(["a", "b", "a ~ b", "word", "x", "varargs", "kwargs", "caller() if caller else ''"])) + tag("endmacro"),
        lambda: tag(f"with x = {any_(1)}, y = x") + statements(d - 1) + tag("endwith"), lambda: tag(f"filter {pick(BLOCK_FILTERS)}") + statements(d - 1) + tag("endfilter"),
        lambda: tag("generation") + statements(d - 1) + tag("endgeneration"), lambda: tag(f"call{pick(['', '(x)'])} mac({any_(1)})") + statements(d - 1) + tag("endcall"),
        lambda: tag(f"if {boolean(1)}") + tag(f"set {pick('xy')} = {any_(1)}") + tag("endif"), lambda: show(f"raise_exception({text(1)})") if chance(0.2) else show("x ~ y"),
        lambda: tag("for x in [[1, [2, 3]], 4] recursive") + show(pick(["x", "loop(x) if x is iterable else x", "loop.depth", "loop(x) if x is sequence and x is not string else 0"])) + tag("endfor"),
    ])()


def messages():
    out = []
    for _ in range(rand.randint(1, 3)):
        m = {"role": pick(ROLES), "content": pick(TEXTS)}
        if chance(0.1):
            m["content"] = pick([None, [{"type": "text", "text": pick(TEXTS)}], 5, ["a"], {"a": 1}])
        if chance(0.2):
            m[pick(["name", "reasoning_content", "thinking", "items", "tool_calls"])] = pick([None, "n", [1], {"arguments": {"b": 1, "a": [1.5, True, None, "é"]}}])
        out.append(m)
    return out


def case():
    template = ""
    if chance(0.5):
        template += tag("macro mac(a, b=1)") + show(pick(["a ~ b", "a", "word", "x", "(a, b)"])) + tag("endmacro")
    if chance(0.4):
        template += tag("set ns = namespace(a=0, b='n')")
    template += statements(3)
    chat = messages()
    kwargs = {"flag": pick([True, False]), "number": pick([0, 1, 2, -3, 2.5, 7]), "word": pick(TEXTS), "table": {"a": 1, "b": pick(TEXTS), "c": [1, 2]}, "nothing": None, "numbers": [3, 1, 2, 1], "words": ["b", "a", "B"],
              "nested": {"deep": {"x": [1, {"y": "z"}], "items": 1}}}
    if chance(0.3):
        kwargs["tools"] = [{"type": "function", "function": {"name": "f", "parameters": {"b": 1, "a": {}}}}]
    if chance(0.5):
        kwargs["add_generation_prompt"] = pick([True, False])
    elif chance(0.2):
        kwargs["continue_final_message"] = True
    out = {"template": template, "messages": chat, "kwargs": kwargs}
    try:
        clean = utils._normalize_chat_messages(json.loads(json.dumps(chat)))
        texts, _ = utils.render_jinja_template([clean], chat_template=template, bos_token="<s>", eos_token="</s>", **json.loads(json.dumps(kwargs)))
        text = texts[0]
        if " object at 0x" in text or " at 0x" in text:
            return None
        text.encode()
        out["text"] = text
    except Exception as e:
        name = "TemplateError" if type(e).__name__ == "TemplateError" else type(e).__name__
        out["error"] = {"type": name, "message": str(e)}
    return out


def main():
    left, rendered = int(sys.argv[2]), 0
    while left > 0:
        c = case()
        if c is None or "error" in c and chance(0.8):
            continue
        print(json.dumps(c, ensure_ascii=True, separators=(",", ":")))
        left -= 1


main()
