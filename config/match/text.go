// SPDX-License-Identifier: Apache-2.0

package match

// MarshalText returns the pattern as it was written, so that a configuration
// that holds patterns can be printed.
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

// MarshalBinary returns the pattern as it was written, byte for byte, so that
// it can be handed to another process.
func (m *Match) MarshalBinary() ([]byte, error) { return m.MarshalText() }

// UnmarshalBinary compiles what MarshalBinary returned.
func (m *Match) UnmarshalBinary(data []byte) error { return m.UnmarshalText(data) }
