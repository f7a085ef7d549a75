"""HumanEval: a test module defines check(candidate), which asserts."""

import ast
import builtins

import tester


# Names that tests use and programs do not define for them.
KNOWN = frozenset(dir(builtins)) | {"METADATA", "check"}


def grade(job, candidate):
    problem = job.problem
    entry_point = problem["entry_point"]
    test = problem["test"] + "\n"
    code = compile(test, "<string>", "exec", 0, True)
    candidate.load(job.program + "\n" + tester.imports(test))

    # The test sees the program's names, as if it stood in the same module. Helpers that the prompt defines are the
    # prompt's own: otherwise a program could replace what its results are measured by.
    names = tester.names_used(test, code, KNOWN, entry_point)
    module = helpers(problem["prompt"], names)
    job.plain = not names and tester.is_plain(code, ("METADATA", "check", entry_point))
    module.update(candidate.look_up(sorted(names - set(module))))
    module[entry_point] = candidate.function(entry_point)
    exec(code, module)
    module["check"](module[entry_point])


def grade_together(job, candidate):
    problem = job.problem
    candidate.together("%s\n%s\ncheck(%s)\n" % (job.program, problem["test"], problem["entry_point"]))


def helpers(prompt, names):
    """Returns those of the names that the prompt defines, as it defines them."""
    if not names:
        return {}
    # A prompt ends within its last function, often after its docstring.
    for ending in "", "\n    pass\n":
        try:
            tree = ast.parse(prompt + ending)
            break
        except SyntaxError:
            pass
    else:
        return {}
    if not names & tester.names_bound(tree):
        return {}
    module = {}
    exec(compile(tree, "<prompt>", "exec", 0, True), module)
    return {name: module[name] for name in names if name in module}
