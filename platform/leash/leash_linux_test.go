// SPDX-License-Identifier: Apache-2.0

package leash

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// asHolder makes the test binary hold a program on the leash.
const asHolder = "HIDS_TEST_LEASH"

const script = `echo $$; sleep 1000 & echo $!; wait`

func TestMain(m *testing.M) {
	if os.Getenv(asHolder) != "" {
		cmd := exec.CommandContext(context.Background(), "sh", "-c", "echo $$; exec sleep 1000")
		cmd.Stdout = os.Stdout
		fmt.Fprintln(os.Stderr, Run(cmd))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// gone waits for the end of a process; what nobody has collected counts.
func gone(t *testing.T, pid string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		stat, err := os.ReadFile("/proc/" + pid + "/stat")
		if err != nil || bytes.Contains(stat, []byte(") Z ")) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("process %s is still there: %s", pid, stat)
		}
	}
}

// TestHolderIsKilled kills who waits for a program.
func TestHolderIsKilled(t *testing.T) {
	holder := exec.Command(os.Args[0])
	holder.Env = append(os.Environ(), asHolder+"=1")
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	pid, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = holder.Wait()
	gone(t, strings.TrimSpace(pid))
}

// TestEndOfContext ends a program with what it has started.
func TestEndOfContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", script)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd.Stdout = w
	done := make(chan error)
	go func() { done <- Run(cmd) }()
	var pids []string
	for lines := bufio.NewScanner(r); len(pids) < 2 && lines.Scan(); {
		pids = append(pids, lines.Text())
	}
	cancel()
	if err := <-done; err == nil {
		t.Error("no error")
	}
	w.Close()
	for _, pid := range pids {
		gone(t, pid)
	}
}
