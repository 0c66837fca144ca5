// SPDX-License-Identifier: Apache-2.0

//go:build unix && !linux

package privdrop

import (
	"os"
	"os/exec"
	"syscall"
)

func identity(cmd *exec.Cmd, p Plan) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if p.UID < 0 && p.GID < 0 {
		return nil
	}
	uid, gid := p.UID, p.GID
	if uid < 0 {
		uid = os.Geteuid()
	}
	if gid < 0 {
		gid = os.Getegid()
	}
	cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid), Groups: []uint32{uint32(gid)}}
	return nil
}
