// SPDX-License-Identifier: Apache-2.0

package netstat

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

const procUnix = `Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00000000 0002 01 20861 /var/ossec/queue/alerts/execq
0000000000000000: 00000003 00000000 00000000 0001 03 20862 /var/ossec/var/run/hids/execd.sock
0000000000000000: 00000002 00000000 00010000 0001 01 20863 /var/ossec/var/run/hids/execd.sock
0000000000000000: 00000002 00000000 00010000 0001 01 20864 @abstract
0000000000000000: 00000003 00000000 00000000 0001 03 20865
0000000000000000: 00000003 00000000 00000000 0002 03 20866 /run/connected to another
nonsense
`

func TestParseProcUnix(t *testing.T) {
	want := []UnixSocket{
		{"/var/ossec/queue/alerts/execq", 20861},
		{"/var/ossec/var/run/hids/execd.sock", 20863},
		{"/run/connected to another", 20866},
	}
	if diff := cmp.Diff(want, ParseProcUnix([]byte(procUnix))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func FuzzParseProcUnix(f *testing.F) {
	f.Add([]byte(procUnix))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, s := range ParseProcUnix(b) {
			if s.Path == "" || s.Path[0] != '/' {
				t.Errorf("got %q", s.Path)
			}
		}
	})
}
