"""MBPP: asserts that call the program's functions by name."""

import ast
import builtins

import tester

BUILTINS = frozenset(dir(builtins))


def source(problem):
    """Returns the test as one module: the imports of the sanitized set, the setup of the full one, the asserts."""
    return "\n".join(problem.get("test_imports", []) + [problem.get("test_setup_code", "")] + problem["test_list"]) + "\n"


def grade(job, candidate):
    test = source(job.problem)
    code = compile(test, "<string>", "exec", 0, True)
    candidate.load(job.program + "\n" + tester.imports(test))

    # Functions may have names of builtins (Mbpp/126 asks for sum), which the reference solution shows.
    defined = tester.names_bound(ast.parse(job.problem.get("code", "")))
    names = tester.names_used(test, code, BUILTINS - defined if defined & BUILTINS else BUILTINS)
    module = candidate.look_up(sorted(names))
    job.plain = tester.is_plain(code, [name for name in module if isinstance(module[name], type(source))])
    exec(code, module)


def grade_together(job, candidate):
    candidate.together(job.program + "\n" + source(job.problem))
