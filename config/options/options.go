// SPDX-License-Identifier: Apache-2.0

// Package options reads internal_options.conf and local_internal_options.conf:
// lines of the form high.low=NUMBER. Which options there are and what they do
// is not known here.
package options

import (
	"bytes"
	"strconv"
	"strings"

	"hids/config/fault"
)

// File is the options of one file.
type File struct {
	values map[string]value
}

type value struct {
	text string
	pos  fault.Pos
}

// Parse reads a whole file by OSSEC's rules: lines that start with #, with a
// blank, or are empty say nothing; nothing is trimmed but the end of the line;
// the first line for a key counts. name is for positions only. A line that is
// no option is told as a fault that is not fatal.
func Parse(name string, data []byte) (File, fault.List) {
	f := File{values: map[string]value{}}
	var faults fault.List
	pos := fault.Pos{File: name, Column: 1}
	for raw := range bytes.Lines(data) {
		pos.Line++
		line := strings.TrimRight(string(raw), "\r\n")
		if line == "" || line[0] == '#' || line[0] == ' ' {
			continue
		}
		key, text, ok := strings.Cut(line, "=")
		if !ok || !strings.Contains(key, ".") {
			faults.Warnf(pos, "write module.option=NUMBER without blanks", "%.60q is no option, line left out", line)
			continue
		}
		if _, twice := f.values[key]; !twice {
			f.values[key] = value{text, fault.Pos{File: name, Line: pos.Line, Column: len(key) + 2}}
		}
	}
	return f, faults
}

// Options looks options up in several files, the first that has one wins: the
// local file comes before the shipped one.
type Options []File

// Number is an option's value and where it was written.
type Number struct {
	Value int
	Pos   fault.Pos // zero: not written anywhere, Value is the default
}

// Int returns the option key, for which OSSEC allows least to most. One that is
// in no file has the value otherwise; OSSEC's daemons refuse to start then. A
// value that is no number or out of range is a fatal fault, as in OSSEC, and
// an empty one is 0.
func (o Options) Int(key string, least, most, otherwise int) (Number, fault.List) {
	for _, f := range o {
		v, ok := f.values[key]
		if !ok {
			continue
		}
		n, ok := number(v.text)
		if ok && least <= n && n <= most {
			return Number{n, v.pos}, nil
		}
		var faults fault.List
		faults.Fatalf(v.pos, "write "+strconv.Itoa(least)+" to "+strconv.Itoa(most), "%s is %.60q", key, v.text)
		return Number{otherwise, v.pos}, faults
	}
	return Number{Value: otherwise}, nil
}

func number(s string) (int, bool) {
	if s == "" {
		return 0, true
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
	}
	n, err := strconv.Atoi(s)
	return n, err == nil
}
