"""Modules that were imported before the process was copied, and that a program finds as if it were the first to import them.

A template (template.py) imports what many programs want and puts it aside: it is in no table of the interpreter. When
the program imports such a module, the module comes back, with all that it imports itself and nothing else.
"""

import builtins
import sys

import _frozen_importlib

NAMES = ("typing", "math", "re", "string", "collections", "itertools", "functools", "copy", "heapq", "bisect", "operator",
         "datetime", "json", "random", "statistics", "ast")

aside = {}  # name -> module
needs = {}  # name -> names of modules that its import brings


def put_aside(names):
    """Imports modules and puts them aside, with all that comes with them."""
    before = set(sys.modules)
    original = builtins.__import__
    under_way = [None]  # names

    def watched(name, globals=None, locals=None, fromlist=(), level=0):
        full = name
        if level:
            full = _frozen_importlib._resolve_name(name, _frozen_importlib._calc___package__(globals), level)
        known = set(sys.modules)
        under_way.append(full)
        try:
            value = original(name, globals, locals, fromlist, level)
        finally:
            under_way.pop()
        new = [n for n in sys.modules if n not in known]
        named = [full] + ["%s.%s" % (full, n) for n in fromlist or ()]
        # A module that is written in C imports in the name of what imports it.
        for importer in (globals or {}).get("__name__"), under_way[-1]:
            needs.setdefault(importer, []).extend(named + new)
        needs.setdefault(full, []).extend(new)
        return value

    builtins.__import__ = watched
    try:
        for name in names:
            __import__(name)
    finally:
        builtins.__import__ = original
    aside.update((name, module) for name, module in sys.modules.items() if name not in before)
    for name, module in aside.items():
        del sys.modules[name]
        parent, _, child = name.rpartition(".")
        if parent and vars(owner(parent)).get(child) is module:
            delattr(owner(parent), child)


def owner(name):
    return aside.get(name) or sys.modules[name]


def bring_back(name):
    """Puts a module where imported ones are, and all that it needs."""
    module = aside.pop(name, None)
    if module is None:
        return
    sys.modules[name] = module
    for needed in needs.get(name, ()):
        bring_back(needed)
    parent, _, child = name.rpartition(".")
    if parent:
        bring_back(parent)
        setattr(sys.modules[parent], child, module)
    if name == "random":
        module.seed()  # or all copies would draw the same


class BringingBack:
    """The loader of a module that was put aside. Whoever only looks at it sees the module's own."""

    def __init__(self, name, spec):
        self.name = name
        self.spec = spec
        self.loader = spec.loader

    def __getattr__(self, name):
        return getattr(self.loader, name)

    def create_module(self, spec):
        return aside[self.name]

    def exec_module(self, module):
        module.__spec__ = self.spec
        bring_back(self.name)

    @classmethod
    def find_spec(cls, name):
        """Returns how to import a module that was put aside, or None."""
        spec = getattr(aside.get(name), "__spec__", None)
        if spec is None:
            return None
        found = _frozen_importlib.ModuleSpec(name, cls(name, spec), origin=spec.origin, loader_state=spec.loader_state)
        found.submodule_search_locations = spec.submodule_search_locations
        found.has_location, found.cached = spec.has_location, spec.cached
        return found
