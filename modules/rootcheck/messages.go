// SPDX-License-Identifier: Apache-2.0

package rootcheck

import (
	"fmt"

	"hids/modules/event"
	"hids/modules/rootcheck/policy"
)

// The texts that a manager's rules and its database of findings know, byte for
// byte those of OSSEC 2.8.3 (4.3.0 changed one word and appends sums to some).
// A manager tells findings apart by text alone, so a new wording is a new alert
// for every old finding.
const (
	queueHeader = "9:rootcheck:" // 9 is OSSEC's ROOTCHECK_MQ
	scanStarts  = "Starting rootcheck scan."
	scanEnds    = "Ending rootcheck scan."

	// maxMessage is OSSEC's limit for one text, in bytes. A manager of 2.8.3
	// never recognizes one of 2,000 bytes again.
	maxMessage = 1023
)

func rootkitText(name, path string) string {
	return fmt.Sprintf("Rootkit '%s' detected by the presence of file '%s'.", event.SafeText(name), event.SafeText(path))
}

func trojanText(path, pattern, note string) string {
	return fmt.Sprintf("Trojaned version of file '%s' detected. Signature used: '%s' (%s).",
		event.SafeText(path), safePattern(pattern), safePattern(note))
}

// safePattern leaves the backslashes of a pattern alone: an admin wrote it,
// and OSSEC sends it as written.
func safePattern(s string) string {
	out := []byte(s)
	for i, c := range out {
		if c < 0x20 || c == 0x7f {
			out[i] = '?'
		}
	}
	return string(out)
}

func devText(path string) string {
	return fmt.Sprintf("File '%s' present on /dev. Possible hidden file.", event.SafeText(path))
}

func hiddenText(path string) string {
	return fmt.Sprintf("Anomaly detected in file '%s'. Hidden from stats, but showing up on readdir. Possible kernel level rootkit.",
		event.SafeText(path))
}

func sizeText(path string) string {
	return fmt.Sprintf("Anomaly detected in file '%s'. File size doesn't match what we found. Possible kernel level rootkit.",
		event.SafeText(path))
}

func writableText(path string) string {
	return fmt.Sprintf("File '%s' is owned by root and has written permissions to anyone.", event.SafeText(path))
}

func linksText(path string, counted, links uint64) string {
	return fmt.Sprintf("Files hidden inside directory '%s'. Link count does not match number of files (%d,%d).",
		event.SafeText(path), counted, links)
}

// auditText is the text of a rule that is true, with "System Audit" or what OSSEC
// says for the policies of Windows. The blank before the last full
// stop is OSSEC's.
func auditText(prefix string, r *policy.Rule, d *policy.Detail) string {
	text := prefix + ": " + safePattern(r.Name) + "."
	if d != nil {
		kind := " File: "
		if d.Process {
			kind = " Process: "
		}
		text += kind + event.SafeText(d.Text) + "."
	}
	if r.Reference != "" {
		text += " Reference: " + safePattern(r.Reference) + " ."
	}
	return text
}

// datagram makes a message for the queue of a text.
func datagram(text string) []byte {
	if len(text) > maxMessage {
		text = text[:maxMessage]
	}
	return []byte(queueHeader + text)
}
