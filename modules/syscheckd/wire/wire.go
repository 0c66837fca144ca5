// SPDX-License-Identifier: Apache-2.0

// Package wire makes the messages that OSSEC's manager expects of syscheckd,
// byte for byte, from records and paths. When a message is due, and how it gets
// to the manager, is decided elsewhere; wire only writes.
//
// OSSEC sends names raw, cuts long ones, and so lets two files share one entry
// of the manager's database and a newline inject text into its alerts. Here
// every name is one line and every file has its own name: see Name.
package wire

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"hids/config"
	"hids/modules/syscheckd/record"
)

// The messages that are not about a file. Managers and agent_control look for
// these very texts.
const (
	ScanStarted = "9:rootcheck:Starting syscheck scan."
	ScanEnded   = "9:rootcheck:Ending syscheck scan."
	Completed   = "8:syscheck:syscheck-db-completed"
)

const (
	prefix = "8:syscheck:"
	// maxText is the longest sum, blank and name that OSSEC sends in one
	// message (915 bytes, OSSEC 2.8.3 and 4.3.0; 911 in realtime).
	maxText = 915
	// maxMessage is the longest message that agentd passes on
	// (OS_MAXSTR-OS_HEADER_SIZE, OSSEC 2.8.3 and 4.3.0).
	maxMessage = 6016
	unknownSum = "xxx"
)

// Fields is the number of fields of a sum: what a manager compares with what
// it has. A change of it costs one false alert a file on managers from 2.8.3
// to 4.2.0.
type Fields int

// The two forms of a sum.
const (
	Six   Fields = 6 // size:mode:uid:gid:md5:sha1, before OSSEC 4.0.0
	Seven Fields = 7 // …:sha256, since OSSEC 4.0.0
)

// Told reports whether OSSEC's managers are told of files like r: regular
// files and symbolic links. Whatever else there is, is in the local events.
func Told(r *record.Record) bool {
	return r != nil && (r.Type == record.File || r.Type == record.Symlink)
}

// File says that a file is as r is: seen for the first time, or changed.
// checks are the attributes that are watched; the others are sent as 0 and xxx.
func File(path string, r *record.Record, checks config.Check, n Fields) []byte {
	sum := Sum(r, checks, n)
	return []byte(prefix + sum + " " + Name(path, maxText-len(sum)-1))
}

// Changed is File with the text of a content diff appended; "" for none.
func Changed(path string, r *record.Record, checks config.Check, n Fields, diff string) []byte {
	message := File(path, r, checks, n)
	if diff == "" {
		return message
	}
	message = append(append(message, '\n'), diff...)
	if len(message) > maxMessage {
		message = message[:maxMessage]
	}
	return message
}

// Deleted says that a file is gone. Send it only for what was told before: an
// unknown path makes managers report a new file, and crashes OSSEC 3.7's. n
// must be what the file was told with: the room for the name depends on it.
func Deleted(path string, told *record.Record, checks config.Check, n Fields) []byte {
	room := maxText - len(Sum(told, checks, n)) - 1
	return []byte(prefix + "-1 " + Name(path, room))
}

// Sum returns the checksum text of a record.
func Sum(r *record.Record, checks config.Check, n Fields) string {
	b := make([]byte, 0, 200)
	b = appendNumber(b, uint64(r.Size), checks&config.CheckSize != 0)
	b = appendNumber(append(b, ':'), uint64(r.Mode), checks&config.CheckPerm != 0)
	b = appendNumber(append(b, ':'), uint64(r.UID), checks&config.CheckOwner != 0)
	b = appendNumber(append(b, ':'), uint64(r.GID), checks&config.CheckGroup != 0)
	b = appendSum(append(b, ':'), r.MD5[:], r.Has&record.HasMD5 != 0 && checks&config.CheckMD5 != 0)
	b = appendSum(append(b, ':'), r.SHA1[:], r.Has&record.HasSHA1 != 0 && checks&config.CheckSHA1 != 0)
	if n == Seven {
		b = appendSum(append(b, ':'), r.SHA256[:], r.Has&record.HasSHA256 != 0 && checks&config.CheckSHA256 != 0)
	}
	return string(b)
}

func appendNumber(b []byte, n uint64, known bool) []byte {
	if !known {
		n = 0
	}
	return strconv.AppendUint(b, n, 10)
}

func appendSum(b, sum []byte, known bool) []byte {
	if !known {
		return append(b, unknownSum...)
	}
	return hex.AppendEncode(b, sum)
}

// Name writes a path so that a manager can store and print it: on one line, in
// at most room bytes, and different for different paths.
//
// Control characters become \xNN. A path that holds one, or that looks as if it
// were written so, has its backslashes written as \x5c. All others, invalid
// UTF-8 among them, stay as they are, as OSSEC sends them. What is too long
// ends in ~ and the first 16 hex digits of the SHA-256 of the whole path.
func Name(path string, room int) string {
	name := escape(path)
	if len(name) <= room {
		return name
	}
	sum := sha256.Sum256([]byte(path))
	tag := fmt.Sprintf("~%x", sum[:8])
	return name[:max(room-len(tag), 0)] + tag
}

func escape(path string) string {
	if !needsEscape(path) {
		return path
	}
	var b strings.Builder
	for i := range len(path) {
		switch c := path[i]; {
		case isControl(c):
			fmt.Fprintf(&b, `\x%02x`, c)
		case c == '\\':
			b.WriteString(`\x5c`)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

func isControl(c byte) bool { return c < 0x20 || c == 0x7f }

func needsEscape(path string) bool {
	for i := range len(path) {
		if isControl(path[i]) || strings.HasPrefix(path[i:], `\x`) {
			return true
		}
	}
	return false
}
