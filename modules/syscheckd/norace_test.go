// SPDX-License-Identifier: Apache-2.0

//go:build !race

package syscheckd

const raceEnabled = false
