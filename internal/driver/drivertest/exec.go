package drivertest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"

	"github.com/maitred/maitred/internal/driver"
)

// execCases are those of an exec's streams and its terminal.
func execCases() []testCase {
	return []testCase{
		{"an exec's streams", streams, execStreams},
		{"an exec's input and its end", streams, execInput},
		{"an exec that leaves its input", streams, execUnread},
		{"an exec's long output", streams, execFlood},
		{"an exec on a terminal", streams, execTerminal},
		{"an exec on a terminal whose size changes", sized, execResize},
		{"an exec with streams that is cut short", streams, execStreamsCut},
	}
}

func streams(h Harness) bool { return !h.NoStreams }

func sized(h Harness) bool { return !h.NoStreams && !h.LateSize }

// exec runs the test program by Exec in the container a.
func (b *bench) exec(e driver.Exec, words ...string) int {
	b.t.Helper()
	e.Command = b.h.Command(words...)
	code, err := b.d.Exec(b.ctx, "a", e)
	if err != nil {
		b.t.Errorf("Exec of %v = %v, want no error", words, err)
	}
	return code
}

func execStreams(b *bench) {
	b.start(b.spec("a", "sleep"))
	var out, errs bytes.Buffer
	code := b.exec(driver.Exec{Stdout: &out, Stderr: &errs}, "print", "one", "two", "three", "four")
	b.equal("the exit code", code, 0)
	b.equal("standard output", out.String(), "one\nthree\n")
	b.equal("standard error", errs.String(), "two\nfour\n")
	errs.Reset()
	b.exec(driver.Exec{Stderr: &errs}, "print", "one", "two")
	b.equal("standard error alone", errs.String(), "two\n")
	b.equal("the exit code without streams", b.exec(driver.Exec{}, "exit", "7"), 7)
	var text bytes.Buffer
	b.exec(driver.Exec{Stdout: &text}, "echo")
	b.equal("what is read where there is no input", text.String(), "end\n")
}

func execInput(b *bench) {
	b.start(b.spec("a", "sleep"))
	text := strings.Repeat("0123456789abcdef", 64<<10)
	var out bytes.Buffer
	b.exec(driver.Exec{Stdin: strings.NewReader(text), Stdout: &out}, "echo")
	if out.String() != text+"end\n" {
		b.t.Errorf("echo gave %d bytes, want the %d that it was given and its end", out.Len(), len(text))
	}
}

// execUnread has a command end that reads nothing, while its input neither ends nor can be written.
func execUnread(b *bench) {
	b.start(b.spec("a", "sleep"))
	in, more := io.Pipe()
	defer func() { _ = more.Close() }()
	go func() {
		for {
			if _, err := more.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	}()
	b.equal("the exit code", b.exec(driver.Exec{Stdin: in}, "exit", "3"), 3)
	_ = in.Close()
}

func execFlood(b *bench) {
	b.start(b.spec("a", "sleep"))
	var out bytes.Buffer
	b.exec(driver.Exec{Stdout: &out}, "flood", "50000")
	b.equal("bytes of output", out.Len(), 5_000_000)
}

func execTerminal(b *bench) {
	b.start(b.spec("a", "sleep"))
	var out bytes.Buffer
	code := b.exec(driver.Exec{Terminal: true, Size: driver.Size{Columns: 123, Rows: 45}, Stdout: &out}, "terminal", "9")
	b.equal("the exit code", code, 9)
	if !b.h.LateSize {
		b.equal("what is on the terminal", out.String(), "123x45 123x45 123x45\r\n")
	}
	out.Reset()
	b.exec(driver.Exec{Terminal: true, Stdin: strings.NewReader("hello\n"), Stdout: &out}, "echo")
	b.equal("what was typed, with the terminal's own echo", out.String(), "hello\r\nhello\r\nend\r\n")
}

func execResize(b *bench) {
	b.start(b.spec("a", "sleep"))
	r, w := io.Pipe()
	sizes := make(chan driver.Size)
	var all sync.WaitGroup
	all.Go(func() {
		b.exec(driver.Exec{Terminal: true, Size: driver.Size{Columns: 80, Rows: 24}, Resize: sizes, Stdout: w}, "sizes", "2")
		_ = w.Close()
	})
	var got []string
	lines := bufio.NewReader(r) // a line may come in pieces
	for _, next := range []driver.Size{{Columns: 100, Rows: 30}, {Columns: 20, Rows: 10}, {}} {
		line, err := lines.ReadString('\n')
		if err != nil {
			b.t.Errorf("the terminal ended after %q: %v", got, err)
			break
		}
		got = append(got, strings.TrimSpace(line))
		if next != (driver.Size{}) {
			select {
			case sizes <- next:
			case <-b.ctx.Done():
			}
		}
	}
	_, _ = io.Copy(io.Discard, lines)
	all.Wait()
	b.equal("the sizes", got, []string{"80x24", "100x30", "20x10"})
}

func execStreamsCut(b *bench) {
	b.start(b.spec("a", "sleep"))
	for _, terminal := range []bool{false, true} {
		in, typed := io.Pipe()
		r, w := io.Pipe()
		ctx, cancel := context.WithCancel(b.ctx)
		result := make(chan error, 1)
		go func() {
			_, err := b.d.Exec(ctx, "a", driver.Exec{
				Command: b.h.Command("trap", "none", "1"), Terminal: terminal, Stdin: in, Stdout: w,
			})
			result <- err
		}()
		if _, err := r.Read(make([]byte, 64)); err != nil { // it is ready
			b.t.Errorf("terminal %t: %v", terminal, err)
		}
		cancel()
		_ = r.Close()
		if err := <-result; !errors.Is(err, context.Canceled) {
			b.t.Errorf("Exec (terminal %t) whose context ended = %v, want context.Canceled", terminal, err)
		}
		_, _ = typed.Close(), in.Close()
	}
}
