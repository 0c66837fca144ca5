// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package service

import "os"

// Store does nothing: there is no store here.
func Store(string, *os.File) error { return nil }

func monotonicMicros() int64 { return 0 }
