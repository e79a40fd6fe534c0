package keeper

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of times in /proc. It is 1/100 s on every architecture that Linux still runs on.
const tick = 10 * time.Millisecond

// proc is what the keeper wants to know of a process.
type proc struct {
	pid, ppid, session int
	state              byte   // Z for a zombie
	ticks              uint64 // its start, since boot
	cpu                time.Duration
	rss                int64 // bytes
}

// dead says that the process has ended, whether or not its parent knows yet.
func (p proc) dead() bool { return p.state == 'Z' || p.state == 'X' }

var errStat = errors.New("malformed /proc/PID/stat")

// parseStat reads the content of /proc/PID/stat. The name, field 2, may itself hold blanks and parentheses.
func parseStat(content []byte) (proc, error) {
	open, end := bytes.IndexByte(content, '('), bytes.LastIndexByte(content, ')')
	if open < 1 || end < open {
		return proc{}, errStat
	}
	fields := bytes.Fields(content[end+1:])
	if len(fields) < 22 || len(fields[0]) != 1 {
		return proc{}, errStat
	}
	var bad error
	number := func(text []byte) int64 {
		n, err := strconv.ParseInt(string(text), 10, 64)
		bad = errors.Join(bad, err)
		return n
	}
	field := func(n int) int64 { return number(fields[n-3]) } // by the numbers of proc(5); the first left is 3
	p := proc{
		pid: int(number(bytes.TrimSpace(content[:open]))), ppid: int(field(4)), session: int(field(6)),
		state: fields[0][0], ticks: uint64(field(22)),
		cpu: time.Duration(field(14)+field(15)+field(16)+field(17)) * tick,
		rss: field(24) * int64(os.Getpagesize()),
	}
	if bad != nil {
		return proc{}, fmt.Errorf("%w: %w", errStat, bad)
	}
	return p, nil
}

// readProc looks at a process. The error wraps os.ErrNotExist or ESRCH when there is none.
func readProc(pid int) (proc, error) {
	content, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return proc{}, err
	}
	return parseStat(content)
}

// readProcs looks at all processes of the machine.
func readProcs() ([]proc, error) {
	pids, err := listPids()
	if err != nil {
		return nil, err
	}
	return readSome(pids), nil
}

// listPids lists all processes of the machine.
func listPids() ([]int, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer func() { _ = dir.Close() }()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	return numbers(names), nil
}

// readSome looks at some processes; those that have gone meanwhile are left out.
func readSome(pids []int) []proc {
	procs := make([]proc, 0, len(pids))
	for _, pid := range pids {
		if p, err := readProc(pid); err == nil {
			procs = append(procs, p)
		}
	}
	return procs
}

// children lists the processes whose parent is this one, as far as they were not forked by it but left to it: those the
// kernel lists under the first thread. Without the kernel's help (CONFIG_PROC_CHILDREN) it looks at every process.
func children() ([]int, error) {
	self := strconv.Itoa(os.Getpid())
	content, err := os.ReadFile("/proc/self/task/" + self + "/children")
	if err == nil {
		return numbers(strings.Fields(string(content))), nil
	}
	procs, err := readProcs()
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, p := range procs {
		if p.ppid == os.Getpid() {
			pids = append(pids, p.pid)
		}
	}
	return pids, nil
}

// numbers keeps those texts that are process ids.
func numbers(texts []string) []int {
	var pids []int
	for _, text := range texts {
		if n, err := strconv.Atoi(text); err == nil && n > 0 {
			pids = append(pids, n)
		}
	}
	return pids
}

// withDescendants keeps the living processes that are roots or come from one by parentage.
func withDescendants(procs []proc, root func(proc) bool) []proc {
	childrenOf := map[int][]proc{}
	var found []proc
	for _, p := range procs {
		if root(p) {
			found = append(found, p)
		} else {
			childrenOf[p.ppid] = append(childrenOf[p.ppid], p)
		}
	}
	for i := 0; i < len(found); i++ {
		found = append(found, childrenOf[found[i].pid]...)
		delete(childrenOf, found[i].pid)
	}
	living := found[:0]
	for _, p := range found {
		if !p.dead() {
			living = append(living, p)
		}
	}
	return living
}

// bootID names this run of the kernel.
func bootID() (string, error) {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("read the boot id: %w", err)
	}
	return strings.TrimSpace(string(id)), nil
}

// environOf reads the environment that a process was executed with.
func environOf(pid int) []string { return readWords(pid, "environ") }

// commandOf reads the arguments that a process was executed with.
func commandOf(pid int) []string { return readWords(pid, "cmdline") }

// readWords reads a file of a process that consists of words, each ended by a zero byte.
func readWords(pid int, name string) []string {
	content, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/" + name)
	if err != nil || len(content) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(content), "\x00"), "\x00")
}
