// SPDX-License-Identifier: Apache-2.0

package execd

import (
	"fmt"
	"net"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"hids/internal/testenv"
)

// A process that has got hold of the socket without being root, its owner or of
// its group is refused by what the kernel says of it, whatever the mode says.
func TestSenderIsChecked(t *testing.T) {
	testenv.Root(t)
	f := newFixture(t, "a0 - ardump - 0\n")
	f.programs("ardump")
	f.begin()
	other := exec.CommandContext(t.Context(), "sleep", "600")
	other.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = other.Process.Kill()
		_ = other.Wait()
	}()
	// Root may say that a datagram is another process's (unix(7)).
	oob := unix.UnixCredentials(&unix.Ucred{Pid: int32(other.Process.Pid), Uid: 65534, Gid: 65534})
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	to := &net.UnixAddr{Net: "unixgram", Name: f.layout.ExecQueue()}
	if _, _, err := c.WriteMsgUnix([]byte("a0 - 203.0.113.1"), oob, to); err != nil {
		t.Fatal(err)
	}
	f.sent++
	f.send("a0 - 203.0.113.2")
	f.expect("ardump add - 203.0.113.2")
	f.end()
	e := f.events.find(actRefuse)
	by := fmt.Sprintf("pid %d uid 65534", other.Process.Pid)
	if e == nil || e.HIDS.Extra["by"] != by || !strings.Contains(e.Event.Reason, "its sender is neither root") {
		t.Errorf("event %+v", e)
	}
	if f.log.count("request refused") != 1 || f.log.count(by) != 1 {
		t.Errorf("log\n%s", f.log)
	}
}
