package main

import (
	stdbytes "bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// memory is what processes have in memory, in bytes. Anon is what is their own; the rest are pages of their program,
// which processes of the same program share. PSS has each shared page once.
type memory struct{ RSS, Anon, PSS float64 }

func memoryOf(pids ...int) (m memory, err error) {
	for _, pid := range pids {
		var text []byte
		for _, name := range []string{"status", "smaps_rollup"} {
			part, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
			if err != nil {
				return m, err
			}
			text = append(text, part...)
		}
		for line := range strings.Lines(string(text)) {
			name, rest, _ := strings.Cut(line, ":")
			kib, _ := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 64)
			switch name {
			case "VmRSS":
				m.RSS += kib * 1024
			case "Pss":
				m.PSS += kib * 1024
			case "RssAnon":
				m.Anon += kib * 1024
			}
		}
	}
	return m, nil
}

// cpuOf is the processor time of processes in seconds, to the nanosecond.
func cpuOf(pids ...int) (total float64, err error) {
	for _, pid := range pids {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
		if err != nil {
			return 0, err
		}
		for _, path := range threads {
			text, err := os.ReadFile(path)
			if err != nil {
				continue // the thread has ended since
			}
			ran, _, _ := strings.Cut(string(text), " ")
			ns, err := strconv.ParseFloat(ran, 64)
			if err != nil {
				return 0, fmt.Errorf("%s: %w", path, err)
			}
			total += ns / 1e9
		}
	}
	return total, nil
}

// childrenOf lists the children of a process; none if it is gone.
func childrenOf(pid int) (children []int, err error) {
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return nil, err
	}
	for _, path := range lists {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // the thread has ended since
		}
		for field := range strings.FieldsSeq(string(text)) {
			child, err := strconv.Atoi(field)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
			children = append(children, child)
		}
	}
	return children, nil
}

// keepersOf lists the keepers of a data directory.
func keepersOf(dir string) ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		line, err := os.ReadFile("/proc/" + e.Name() + "/cmdline")
		if err != nil {
			continue
		}
		words := stdbytes.Split(line, []byte{0})
		if len(words) > 2 && string(words[1]) == "keeper" && stdbytes.Contains(line, []byte(dir)) {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}
