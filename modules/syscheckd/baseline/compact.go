// SPDX-License-Identifier: Apache-2.0

package baseline

import (
	"errors"
	"os"

	bolt "go.etcd.io/bbolt"
)

const (
	// compactFrom is the size in bytes below which free space is no matter.
	compactFrom = 16 << 20
	// batchBytes bounds a transaction of the copy.
	batchBytes = 4 << 20
)

// compact copies the database when more than half of a large file is free. The
// copy takes the place of the file only when it is complete.
func (db *DB) compact() error {
	var size int64
	if err := db.bolt.View(func(tx *bolt.Tx) error { size = tx.Size(); return nil }); err != nil {
		return err
	}
	stats := db.bolt.Stats()
	free := int64(stats.FreePageN+stats.PendingPageN) * int64(db.bolt.Info().PageSize)
	if size < compactFrom || free*2 < size {
		return nil
	}
	return db.copyOver()
}

func (db *DB) copyOver() error {
	temp := db.compactPath()
	dst, err := openBolt(temp, &bolt.Options{NoSync: true})
	if err != nil {
		return err
	}
	if err := bolt.Compact(dst, db.bolt, batchBytes); err != nil {
		return errors.Join(err, dst.Close(), os.Remove(temp))
	}
	if err := db.bolt.Close(); err != nil {
		return errors.Join(err, dst.Close(), os.Remove(temp))
	}
	return db.replace(dst, temp)
}
