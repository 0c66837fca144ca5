// SPDX-License-Identifier: Apache-2.0

package blocks

import (
	"encoding/json"
	"unicode/utf8"
)

// Words are arguments of a program: any bytes. JSON has only text, and turns
// other bytes into something else, so such words are kept as base64.
type Words []string

type rawWords struct {
	Base64 [][]byte `json:"base64"`
}

// MarshalJSON writes a list of strings, or an object with base64.
func (w Words) MarshalJSON() ([]byte, error) {
	raw := rawWords{Base64: make([][]byte, len(w))}
	text := true
	for i, s := range w {
		raw.Base64[i] = []byte(s)
		text = text && utf8.ValidString(s)
	}
	if text {
		return json.Marshal([]string(w))
	}
	return json.Marshal(raw)
}

// UnmarshalJSON reads both forms.
func (w *Words) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] != '{' {
		return json.Unmarshal(data, (*[]string)(w))
	}
	var raw rawWords
	if err := json.Unmarshal(data, &raw); err != nil {
		return err
	}
	*w = make(Words, len(raw.Base64))
	for i, b := range raw.Base64 {
		(*w)[i] = string(b)
	}
	return nil
}
