import marshal
import posix
import sys


def read(n):
    data = b""
    while len(data) < n:
        piece = posix.read(3, n - len(data))
        if not piece:
            posix._exit(1)
        data += piece
    return data


posix.environ[b"HOME"] = posix.getcwdb()  # the scratch folder, wherever it is
sys.path = [p for p in sys.path if p]
packages, modules = marshal.loads(read(int.from_bytes(read(4), "little")))
if packages:
    import site
    for folder in packages:
        site.addsitedir(folder)
for name, code in modules:
    module = sys.modules[name] = type(sys)(name)
    exec(code, module.__dict__)
main = module.main
while main is not None:
    main = main()
