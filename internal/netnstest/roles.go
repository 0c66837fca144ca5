// SPDX-License-Identifier: Apache-2.0

package netnstest

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// port is the victim's; its namespace is its own, so no other has it.
const port = 8080

type roles map[string]Role

func builtInRoles() roles { return roles{"serve": serve, "dial": dial, "hold": hold} }

func (r roles) do(name string, args []string, stdin *bufio.Reader, stdout io.Writer) error {
	role, ok := r[name]
	if !ok {
		return fmt.Errorf("there is no role %q", name)
	}
	return role(args, stdin, stdout)
}

// request and reply are what an agent reads and writes, one a line.
type request struct {
	Role string
	Args []string
}

type reply struct{ Out, Fault string }

// agent does other roles, as it is asked.
func agent(all roles) Role {
	return func(_ []string, stdin *bufio.Reader, stdout io.Writer) error {
		in, out := json.NewDecoder(stdin), json.NewEncoder(stdout)
		for {
			var ask request
			if err := in.Decode(&ask); err != nil {
				return nil // no more
			}
			var said strings.Builder
			answer := reply{}
			if err := all.do(ask.Role, ask.Args, bufio.NewReader(strings.NewReader("")), &said); err != nil {
				answer.Fault = err.Error()
			}
			answer.Out = said.String()
			if err := out.Encode(answer); err != nil {
				return err
			}
		}
	}
}

// serve echoes what connections send, until its input ends.
func serve(_ []string, stdin *bufio.Reader, stdout io.Writer) error {
	l, err := net.Listen("tcp", fmt.Sprintf("[::]:%d", port))
	if err != nil {
		return err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, c) }()
		}
	}()
	fmt.Fprintln(stdout, "ready")
	_, err = io.Copy(io.Discard, stdin)
	return err
}

// target is the server's address in both families.
type target struct{ v4, v6 string }

// connect dials the server from an address. A connection counts only when it
// has brought a byte there and back.
func (t target) connect(from string, deadline time.Time) (net.Conn, error) {
	src, err := netip.ParseAddr(from)
	if err != nil {
		return nil, err
	}
	to := t.v4
	if src.Is6() {
		to = t.v6
	}
	d := net.Dialer{Deadline: deadline, LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(src, 0))}
	c, err := d.Dial("tcp", net.JoinHostPort(to, strconv.Itoa(port)))
	if err != nil {
		return nil, err
	}
	if err := echo(c, 0, deadline); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// echo sends a byte and reads until it comes back.
func echo(c net.Conn, b byte, deadline time.Time) error {
	if _, err := c.Write([]byte{b}); err != nil {
		return err
	}
	if err := c.SetReadDeadline(deadline); err != nil {
		return err
	}
	for got := []byte{b + 1}; got[0] != b; {
		if _, err := c.Read(got); err != nil {
			return err
		}
	}
	return nil
}

// dial tries to connect for so many milliseconds, from all the addresses at the
// same time, and prints a verdict for each: dial MILLISECONDS TO4 TO6 FROM…
func dial(args []string, _ *bufio.Reader, stdout io.Writer) error {
	deadline, err := until(args[0])
	if err != nil {
		return err
	}
	to, from := target{args[1], args[2]}, args[3:]
	verdicts := make([]string, len(from))
	var wg sync.WaitGroup
	for i := range from {
		wg.Go(func() { verdicts[i] = to.verdict(from[i], deadline) })
	}
	wg.Wait()
	_, err = fmt.Fprintln(stdout, strings.Join(verdicts, "\n"))
	return err
}

// verdict makes a new connection each second: a SYN that was dropped is repeated
// later and later, so one alone would notice the end of a block late.
func (t target) verdict(from string, deadline time.Time) string {
	for try := time.Now(); try.Before(deadline); {
		try = time.Now().Add(time.Second)
		if try.After(deadline) {
			try = deadline
		}
		c, err := t.connect(from, try)
		if err == nil {
			c.Close()
			return "open"
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			time.Sleep(10 * time.Millisecond) // refused or no route: not at full speed
		}
	}
	return "blocked"
}

// hold keeps one connection and sends a byte through it for each line on its
// input, which is the milliseconds to wait for the echo: hold TO4 TO6 FROM.
func hold(args []string, stdin *bufio.Reader, stdout io.Writer) error {
	c, err := target{args[0], args[1]}.connect(args[2], time.Now().Add(Patience))
	if err != nil {
		return err
	}
	defer c.Close()
	fmt.Fprintln(stdout, "connected")
	for b := byte(1); ; b++ {
		line, err := stdin.ReadString('\n')
		if err != nil {
			return nil // no more
		}
		deadline, err := until(line[:len(line)-1])
		if err != nil {
			return err
		}
		answer := "echo"
		if err := echo(c, b, deadline); err != nil {
			answer = "silence"
		}
		fmt.Fprintln(stdout, answer)
	}
}

func until(milliseconds string) (time.Time, error) {
	n, err := strconv.Atoi(milliseconds)
	return time.Now().Add(time.Duration(n) * time.Millisecond), err
}
