// Command nfcot trains and runs latent reasoning with normalizing flows.
package main

import (
	"os"

	"nfcot/internal/cli"
)

func main() { os.Exit(cli.Main(os.Args, os.Stdin, os.Stdout, os.Stderr)) }
