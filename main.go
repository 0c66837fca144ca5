// SPDX-License-Identifier: Apache-2.0

// Hids is a host intrusion detection system in one binary: active response
// (execd), file integrity monitoring (syscheckd) and rootkit and policy checks
// (rootcheck). The base name of argv[0], or else the first argument, chooses
// what it does; package commands holds the tree.
package main

import (
	"os"

	"hids/commands"
)

func main() { os.Exit(commands.Main(os.Args)) }
