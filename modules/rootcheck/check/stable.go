// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
	"maps"
	"time"
)

// Rounds is how often a surprise has to be seen before it is reported: whatever
// is compared (processes, modules, connections) comes and goes between two
// listings. What lies between two rounds, see Rest, is long enough for one that
// is being born or buried to be done with it.
const Rounds = 3

// Rest waits between two rounds.
func Rest(ctx context.Context) error {
	t := time.NewTimer(50 * time.Millisecond)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// Stable calls look Rounds times and returns what it found every time, with
// the last round's values.
func Stable[K comparable, V any](ctx context.Context, look func() (map[K]V, error)) (map[K]V, error) {
	var seen map[K]V
	for round := range Rounds {
		now, err := look()
		if err != nil {
			return nil, err
		}
		if round > 0 {
			maps.DeleteFunc(now, func(k K, _ V) bool { _, ok := seen[k]; return !ok })
		}
		if seen = now; len(seen) == 0 || round == Rounds-1 {
			break
		}
		if err := Rest(ctx); err != nil {
			return nil, err
		}
	}
	return seen, nil
}
