# Tries: a class with a metaclass that lies about bases, module and instances.
# Allowed: failed, crashed
# Checked: verdict

class Meta(type):
    __mro__ = property(lambda cls: (int, object))
    __module__ = "builtins"
    __name__ = property(lambda cls: "int")

    def __instancecheck__(cls, instance):
        return True

    def __subclasscheck__(cls, sub):
        return True

    def __eq__(cls, other):
        return True

    def __hash__(cls):
        return hash(int)


class Fake(metaclass=Meta):
    def __index__(self):
        return 5

    __int__ = __index__


def add(a, b):
    return Fake()
