// SPDX-License-Identifier: Apache-2.0

package match

// MarshalText returns the pattern as it was written, so that a configuration
// that holds patterns can be printed and handed to another process.
func (m *Match) MarshalText() ([]byte, error) { return []byte(m.pattern), nil }

// UnmarshalText compiles what MarshalText returned.
func (m *Match) UnmarshalText(text []byte) error {
	c, err := Compile(string(text))
	if err != nil {
		return err
	}
	*m = *c
	return nil
}
