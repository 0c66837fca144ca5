// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package datasync

func dir(string) error { return nil }
