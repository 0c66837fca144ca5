// SPDX-License-Identifier: Apache-2.0

package commands

import "github.com/spf13/cobra"

// subcommands lists the tree's first level. A command whose module does not
// exist is not here.
func (p *program) subcommands() []*cobra.Command {
	return []*cobra.Command{
		p.adoptCommand(),
		p.configCommand(),
		p.doctorCommand(),
		p.eventsCommand(),
		p.execdCommand(),
		p.reloadCommand(),
		p.respondCommand(),
		p.rootcheckCommand(),
		p.runCommand(),
		p.statusCommand(),
		p.syscheckCommand(),
		p.versionCommand(),
	}
}
