// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package netinfo

import (
	"errors"
	"net/netip"

	"hids/platform/paths"
)

// Gateways returns the default gateways of the main routing tables.
func Gateways(paths.Host) ([]netip.Addr, error) { return nil, errors.ErrUnsupported }
