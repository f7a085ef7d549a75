package cpython

import "nfcot/internal/eval/sandbox"

type (
	command = sandbox.Command
	end     = sandbox.End
	process = sandbox.Process
)
