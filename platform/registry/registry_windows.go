// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/windows/registry"
)

// maxData bounds what is read of one value, in bytes.
const maxData = 1 << 20

// Match reports whether the key is there; with a value, whether the key has
// it; with data, whether data accepts what the value holds. A key is looked for
// where 64-bit programs keep theirs, then where 32-bit ones do. "@" is the
// value without a name.
func Match(key, value string, data func(string) bool) (bool, error) {
	hive, sub, ok := SplitKey(key)
	if !ok {
		return false, fmt.Errorf("look into the registry: %q is in no hive", key)
	}
	for _, view := range []uint32{registry.WOW64_64KEY, registry.WOW64_32KEY} {
		k, err := registry.OpenKey(root(hive), sub, registry.QUERY_VALUE|view)
		if errors.Is(err, registry.ErrNotExist) {
			continue
		}
		if err != nil {
			return false, fmt.Errorf("open registry key %s: %w", key, err)
		}
		found, err := matchValue(k, value, data)
		k.Close()
		if found || err != nil {
			return found, err
		}
	}
	return false, nil
}

func root(h Hive) registry.Key {
	switch h {
	case CurrentUser:
		return registry.CURRENT_USER
	case ClassesRoot:
		return registry.CLASSES_ROOT
	case CurrentConfig:
		return registry.CURRENT_CONFIG
	case Users:
		return registry.USERS
	}
	return registry.LOCAL_MACHINE
}

func matchValue(k registry.Key, value string, data func(string) bool) (bool, error) {
	if value == "" {
		return true, nil
	}
	names, err := k.ReadValueNames(-1)
	if err != nil {
		return false, fmt.Errorf("list registry values: %w", err)
	}
	for _, name := range names {
		shown := name
		if shown == "" {
			shown = "@"
		}
		if !strings.EqualFold(shown, value) {
			continue
		}
		if data == nil {
			return true, nil
		}
		text, err := read(k, name)
		return err == nil && data(text), err
	}
	return false, nil
}

func read(k registry.Key, name string) (string, error) {
	size, _, err := k.GetValue(name, nil)
	if err == nil && size > maxData {
		err = fmt.Errorf("larger than %d bytes", maxData)
	}
	if err != nil {
		return "", fmt.Errorf("read registry value: %w", err)
	}
	buf := make([]byte, size)
	n, kind, err := k.GetValue(name, buf)
	if err != nil {
		return "", fmt.Errorf("read registry value: %w", err)
	}
	return Text(kind, buf[:n]), nil
}
