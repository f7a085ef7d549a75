"""HumanEval: a test module defines check(candidate), which asserts."""

import ast

from tester import names_bound, names_used


def grade(job, candidate):
    problem = job.problem
    entry_point = problem["entry_point"]
    test = problem["test"] + "\n"
    code = compile(test, "<string>", "exec", 0, True)
    candidate.load(job.program + "\n")

    # The test sees the program's names, as if it stood in the same module. Helpers that the prompt defines are the
    # prompt's own: otherwise a program could replace what its results are measured by.
    names = names_used(test) - {entry_point}
    module = helpers(problem["prompt"], names)
    module.update(candidate.look_up(sorted(names - set(module))))
    module[entry_point] = candidate.function(entry_point)
    exec(code, module)
    module["check"](module[entry_point])


def helpers(prompt, names):
    """Returns those of the names that the prompt defines, as it defines them."""
    if not names:
        return {}
    try:
        tree = ast.parse(prompt)
    except SyntaxError:
        return {}  # it ends within a statement
    if not names & names_bound(tree):
        return {}
    module = {}
    exec(compile(tree, "<prompt>", "exec", 0, True), module)
    return {name: module[name] for name in names if name in module}
