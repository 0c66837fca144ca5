package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"hids/config"
	"hids/config/rules"
	"hids/modules/syscheckd/baseline"
	"hids/modules/syscheckd/scan"
)

func hwm() string {
	b, _ := os.ReadFile("/proc/self/status")
	var s string
	for l := range strings.Lines(string(b)) {
		if strings.HasPrefix(l, "VmHWM") || strings.HasPrefix(l, "RssAnon") || strings.HasPrefix(l, "RssFile") {
			s += strings.Join(strings.Fields(l), " ") + "; "
		}
	}
	return s
}
func main() {
	db, err := baseline.Open(os.Args[2])
	if err != nil {
		panic(err)
	}
	fmt.Println("open", hwm())
	o := scan.Options{Rules: rules.New(&config.Syscheck{Directories: []config.Directory{{Path: os.Args[1], Checks: config.CheckAll, RecursionLevel: -1}}})}
	t := time.Now()
	first := true
	r, err := scan.Run(context.Background(), db, o, scan.Events{Change: func(c *scan.Change) error {
		if first { first = false; fmt.Println("first change", hwm()) }
		return nil }})
	fmt.Println(r, err, time.Since(t), hwm())
	fmt.Println(db.Close())
}
