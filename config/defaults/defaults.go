// SPDX-License-Identifier: Apache-2.0

// Package defaults has the configuration files that hids brings along: the one
// it runs with where there is none, and templates for an installation. What is
// in them is text; package config reads it.
package defaults

import _ "embed" // for the files

// OssecConf is the configuration of a host without any. It is also the template
// of etc/ossec.conf.
//
//go:embed ossec.conf
var OssecConf string

// HidsConf is the template of etc/hids.conf: every setting of our own, as it is
// by default.
//
//go:embed hids.conf
var HidsConf string
