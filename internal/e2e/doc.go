// SPDX-License-Identifier: Apache-2.0

// Package e2e tests the built binary from outside: it starts it as a service
// manager would and looks at what happens to the host. What can be tested
// inside one package is tested there.
package e2e
