// SPDX-License-Identifier: Apache-2.0

package commands

import (
	"context"
	"os"

	"hids/config"
	"hids/platform/paths"
	"hids/platform/uname"
)

// configOptions says which files make the configuration of an installation.
// -c names another ossec.conf, which then must exist.
func (p *program) configOptions(layout paths.Layout) config.LoadOptions {
	o := config.LoadOptions{
		OssecConf:            layout.OssecConf(),
		HidsConf:             layout.HidsConf(),
		AgentConf:            layout.AgentConf(),
		AgentInfo:            layout.AgentInfo(),
		InternalOptions:      layout.InternalOptions(),
		LocalInternalOptions: layout.LocalInternalOptions(),
		OS:                   uname.Text(),
		Windows:              os.PathSeparator == '\\',
	}
	if p.configFile != "" {
		o.OssecConf, o.Required = p.configFile, true
	}
	return o
}

// loadConfig loads the configuration, tells its faults on stderr, and says so
// once when the built-in one is used. A fatal fault is an error of usage.
func (p *program) loadConfig(ctx context.Context, layout paths.Layout) (*config.Config, error) {
	cfg, faults := config.Load(ctx, p.configOptions(layout))
	if err := faults.Err(); err != nil {
		return nil, failWith(exitUsage, err, `"hids config check" shows this again`)
	}
	for _, f := range faults {
		p.warn("%v", f)
	}
	if len(cfg.Files) == 0 {
		p.warn("there is no configuration in %s, so the built-in one is used", layout.Join("etc"))
	}
	return cfg, nil
}
