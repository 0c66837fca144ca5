// SPDX-License-Identifier: Apache-2.0

package accounts

// dialect is how a system without shadow(5) is told. The account's name is the
// last word unless the tool wants it elsewhere; Check has refused every name
// that could be an option.
type dialect struct {
	lock, unlock func(name string) []string
	harmless     string // in the answer when there was nothing to do
}

func words(name string, before ...string) []string { return append(before, name) }

func freeBSD() dialect {
	return dialect{
		lock:     func(n string) []string { return words(n, "pw", "lock") },
		unlock:   func(n string) []string { return words(n, "pw", "unlock") },
		harmless: "locked", // "is already locked", "is not locked"
	}
}

func openBSD() dialect {
	return dialect{
		lock:   func(n string) []string { return words(n, "usermod", "-Z") },
		unlock: func(n string) []string { return words(n, "usermod", "-U") },
	}
}

func netBSD() dialect {
	return dialect{
		lock:   func(n string) []string { return words(n, "usermod", "-C", "yes") },
		unlock: func(n string) []string { return words(n, "usermod", "-C", "no") },
	}
}

func darwin() dialect {
	return dialect{
		lock:   func(n string) []string { return []string{"pwpolicy", "-u", n, "-disableuser"} },
		unlock: func(n string) []string { return []string{"pwpolicy", "-u", n, "-enableuser"} },
	}
}

func windows() dialect {
	return dialect{
		lock:   func(n string) []string { return []string{"net", "user", n, "/active:no"} },
		unlock: func(n string) []string { return []string{"net", "user", n, "/active:yes"} },
	}
}
