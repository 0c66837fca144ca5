// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"fmt"
)

// plain is Config without its methods.
type plain Config

// MarshalJSON makes a configuration fit for another process of hids: one
// string, which only UnmarshalJSON of the same program understands. JSON itself
// would not keep a path that is no UTF-8 as it is, and the process would then
// watch another file. For people there is Effective.
func (c *Config) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode((*plain)(c)); err != nil {
		return nil, fmt.Errorf("encode the configuration: %w", err)
	}
	return json.Marshal(b.Bytes())
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (c *Config) UnmarshalJSON(data []byte) error {
	var raw []byte
	if err := json.Unmarshal(data, &raw); err != nil {
		return fmt.Errorf("decode the configuration: %w", err)
	}
	*c = Config{} // gob leaves out what is zero
	if err := gob.NewDecoder(bytes.NewReader(raw)).Decode((*plain)(c)); err != nil {
		return fmt.Errorf("decode the configuration: %w", err)
	}
	return nil
}
