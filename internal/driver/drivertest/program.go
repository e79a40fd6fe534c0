package drivertest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/term"
)

// ProgramArg is the first argument that makes a test binary the test program, see Main.
const ProgramArg = "drivertest-program"

// Main is for TestMain: where the test binary was executed as the test program, it acts as that and does not return.
func Main() {
	if len(os.Args) > 1 && os.Args[1] == ProgramArg {
		os.Exit(Program(os.Args[2:]))
	}
}

// Program is what the suite runs in containers; drivers that have no processes act the same. Its words are:
//
//	exit N           end with that code
//	sleep            run until a signal
//	stubborn         write ready, ignore SIGTERM and run
//	trap SIGNAL N    write ready, run until that signal, write its name and end with that code
//	print A B …      write each word as a line, to standard output and error in turn, and end with 0
//	flood N          write N lines of 100 bytes and end with 0
//	env              write the environment, sorted, and end with 0
//	where            write the working directory and end with 0
//	files            write the numbers of the open descriptors and end with 0
//	limit N          write the soft and hard limit number N and end with 0
//	whoami           write uid, gid and whether standard output can be opened by its name
//	echo             write what is read, and end when that ends
//	terminal N       write the sizes of the terminals that the three streams are on and end with N
//	sizes N          write the terminal's size, and again at each change, and end with 0 after N of them
//	session CODE …   run the other words in another session, left by its parent, then end with CODE, or run if it is -
func Program(words []string) int {
	if len(words) == 0 {
		return 64
	}
	rest := words[1:]
	switch words[0] {
	case "exit":
		return number(rest[0])
	case "sleep":
		wait()
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
		fmt.Fprintln(os.Stdout, "ready")
		wait()
	case "trap":
		return trap(rest[0], number(rest[1]))
	case "echo":
		_, err := io.Copy(os.Stdout, os.Stdin)
		fmt.Fprintln(os.Stdout, cmp.Or(err, errors.New("end")))
	case "terminal":
		fmt.Fprintln(os.Stdout, terminalSize(os.Stdin), terminalSize(os.Stdout), terminalSize(os.Stderr))
		return number(rest[0])
	case "sizes":
		return sizes(number(rest[0]))
	case "session":
		return session(rest[0], rest[1:])
	default:
		return report(words[0], rest)
	}
	return 0
}

// report acts on the words that only write something.
func report(word string, rest []string) int {
	switch word {
	case "print":
		for i, text := range rest {
			fmt.Fprintln([]*os.File{os.Stdout, os.Stderr}[i%2], text)
		}
	case "flood":
		line := []byte(strings.Repeat("x", 99) + "\n")
		for range number(rest[0]) {
			_, _ = os.Stdout.Write(line)
		}
	case "env":
		env := os.Environ()
		slices.Sort(env)
		fmt.Fprintln(os.Stdout, strings.Join(env, "\n"))
	case "where":
		dir, _ := os.Getwd()
		fmt.Fprintln(os.Stdout, dir)
	case "files":
		fmt.Fprintln(os.Stdout, strings.Join(files(), " "))
	case "limit":
		var l syscall.Rlimit
		_ = syscall.Getrlimit(number(rest[0]), &l)
		fmt.Fprintln(os.Stdout, l.Cur, l.Max)
	case "whoami":
		f, err := os.OpenFile("/dev/stdout", os.O_WRONLY, 0)
		if err == nil {
			_ = f.Close()
		}
		fmt.Fprintln(os.Stdout, os.Getuid(), os.Getgid(), err == nil)
	default:
		return 64
	}
	return 0
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(64)
	}
	return n
}

// wait waits for ever; a select without cases would be taken for a deadlock where no signal can come.
func wait() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR2)
	for range signals {
	}
}

func trap(name string, code int) int {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGQUIT)
	fmt.Fprintln(os.Stdout, "ready")
	for s := range signals {
		if s.String() == name {
			fmt.Fprintln(os.Stdout, name)
			return code
		}
	}
	return 64
}

// terminalSize is the size of the terminal that a file is, or why it is none.
func terminalSize(f *os.File) string {
	columns, rows, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%dx%d", columns, rows)
}

func sizes(changes int) int {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGWINCH)
	fmt.Fprintln(os.Stdout, terminalSize(os.Stdout))
	for range changes {
		<-signals
		fmt.Fprintln(os.Stdout, terminalSize(os.Stdout))
	}
	return 0
}

// files lists this process's descriptors but the one that it lists them with and what the Go runtime opened itself.
func files() []string {
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		return nil
	}
	defer func() { _ = dir.Close() }()
	names, _ := dir.Readdirnames(-1)
	var found []string
	for _, name := range names {
		target, _ := os.Readlink("/proc/self/fd/" + name)
		own := strings.HasPrefix(target, "anon_inode:[event") || strings.HasPrefix(target, "/sys/fs/cgroup/")
		if name != strconv.Itoa(int(dir.Fd())) && !own {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	return found
}

// session leaves a process behind as daemons do: in a session of its own, its parent gone.
func session(code string, words []string) int {
	self, err := os.Executable()
	if err != nil {
		return 65
	}
	if words[0] == "leave" {
		child := exec.CommandContext(context.Background(), self, append([]string{ProgramArg}, words[1:]...)...)
		child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		child.Stdout = os.Stdout
		if err := child.Start(); err != nil {
			return 65
		}
		fmt.Fprintln(os.Stdout, "left", child.Process.Pid)
		return 0
	}
	middle := exec.CommandContext(context.Background(), self, append([]string{ProgramArg, "session", "0", "leave"}, words...)...)
	middle.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	middle.Stdout = os.Stdout
	if err := middle.Run(); err != nil {
		return 65
	}
	if code == "-" {
		wait()
	}
	return number(code)
}
