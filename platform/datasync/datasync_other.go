// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package datasync

import "os"

func file(f *os.File) error { return f.Sync() }
