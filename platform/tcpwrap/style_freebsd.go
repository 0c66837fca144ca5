// SPDX-License-Identifier: Apache-2.0

package tcpwrap

func hostStyle() style { return freeBSD() }
