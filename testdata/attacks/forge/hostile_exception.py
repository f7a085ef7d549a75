# Tries: an exception whose text, arguments and class are hostile.
# Allowed: failed, crashed
# Checked: verdict

class Args(tuple):
    def __len__(self):
        raise SystemExit(0)


class E(BaseException):
    __module__ = "builtins"

    def __str__(self):
        raise SystemExit(0)

    __repr__ = __str__

    @property
    def args(self):
        raise self

    def with_traceback(self, tb):
        raise self


def add(a, b):
    raise E
