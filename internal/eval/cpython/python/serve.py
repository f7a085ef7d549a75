"""The tester's program: the zygote of tester.py, with all graders imported."""

import tester

main = tester.serve
