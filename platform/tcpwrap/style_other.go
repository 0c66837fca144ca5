// SPDX-License-Identifier: Apache-2.0

//go:build !freebsd

package tcpwrap

func hostStyle() style { return common() }
