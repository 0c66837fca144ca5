// SPDX-License-Identifier: Apache-2.0

package pkgdb

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/hex"
	"io"
	"strings"

	"hids/platform/hostfile"
)

// apkInstalled is apk's database, see the Alpine wiki, "Apk spec": P: package,
// F: folder, R: file in it, Z: its sum as Q1 and base64 of a SHA-1.
const apkInstalled = "/lib/apk/db/installed"

type apk struct{}

func (apk) owners(ctx context.Context, files *hostfile.FS, q *query) error {
	return apk{}.sums(ctx, files, q)
}

func (apk) sums(ctx context.Context, files *hostfile.FS, q *query) error {
	f, _, err := files.Open(apkInstalled)
	if err != nil {
		return err
	}
	defer f.Close()
	return parseAPK(ctx, f, q)
}

func parseAPK(ctx context.Context, r io.Reader, q *query) error {
	sc := bufio.NewScanner(r)
	sc.Buffer(nil, 1<<20)
	var pkg, dir, file string
	for sc.Scan() {
		key, value, ok := strings.Cut(sc.Text(), ":")
		if !ok {
			continue
		}
		switch key {
		case "P":
			pkg = value
			if err := ctx.Err(); err != nil {
				return err
			}
		case "F":
			dir, file = "/"+value, ""
		case "R":
			file = strings.TrimSuffix(dir, "/") + "/" + value
			q.answer(file, Sum{Package: pkg})
		case "Z":
			if sum := apkSum(value); sum != "" && file != "" {
				q.answer(file, Sum{Package: pkg, Algo: "sha1", Hex: sum})
			}
		}
	}
	return sc.Err()
}

func apkSum(v string) string {
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(v, "Q1"))
	if err != nil || len(raw) != 20 {
		return ""
	}
	return hex.EncodeToString(raw)
}
