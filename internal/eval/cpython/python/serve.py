"""The tester's program: the zygote of tester.py, with everything imported that graders and tests may want."""

import collections
import copy
import math
import random
import re

import evalplus
import humaneval
import lcb
import mbpp
import sanitize
import tester

main = tester.serve
