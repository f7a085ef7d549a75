// Command nfcot trains and runs latent reasoning with normalizing flows.
package main

import (
	"os"

	"nfcot/internal/cli"
	"nfcot/internal/eval/sandbox"
)

func main() {
	// The half of a sandbox that starts once for each program to judge, before
	// anything that costs time.
	if len(os.Args) > 1 && os.Args[1] == sandbox.Subcommand {
		os.Exit(sandbox.Main(os.Args[2:]))
	}
	os.Exit(cli.Main(os.Args, os.Stdin, os.Stdout, os.Stderr))
}
