// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package signals

import "os"

func orphaning() []os.Signal { return nil }
func stopping() []os.Signal  { return []os.Signal{os.Interrupt} }
func reloading() []os.Signal { return nil }
func idle() []os.Signal      { return nil }
