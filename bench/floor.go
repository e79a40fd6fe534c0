package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// bare starts n processes as any program would, with some workers, and gives how long that took.
func (w *world) bare(n, workers int) (cmds []*exec.Cmd, took time.Duration, err error) {
	cmds = make([]*exec.Cmd, n)
	errs := make([]error, workers)
	var group sync.WaitGroup
	began := time.Now()
	for worker := range workers {
		group.Go(func() {
			for i := worker; i < n; i += workers {
				cmds[i] = exec.Command(w.sleeper) //nolint:noctx // it is killed below
				cmds[i].SysProcAttr = &syscall.SysProcAttr{Setsid: true}
				if err := cmds[i].Start(); err != nil {
					errs[worker] = err
					return
				}
			}
		})
	}
	group.Wait()
	return cmds, time.Since(began), errors.Join(errs...)
}

// end sends processes a signal and waits until all of them are gone.
func end(cmds []*exec.Cmd, sig syscall.Signal) time.Duration {
	began := time.Now()
	for _, c := range cmds {
		if c != nil && c.Process != nil {
			_ = c.Process.Signal(sig)
		}
	}
	for _, c := range cmds {
		if c != nil && c.Process != nil {
			_ = c.Wait() // says that it was killed
		}
	}
	return time.Since(began)
}

// disk is a file that is appended to durably.
type disk struct{ file *os.File }

func openDisk(dir string) (*disk, error) {
	f, err := os.OpenFile(filepath.Join(dir, "fsync"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	return &disk{f}, err
}

// write appends a page and waits until it is on the disk.
func (d *disk) write() (time.Duration, error) {
	page := make([]byte, 4096)
	began := time.Now()
	if _, err := d.file.Write(page); err != nil {
		return 0, err
	}
	err := d.file.Sync()
	return time.Since(began), err
}

func (d *disk) close() error { return errors.Join(d.file.Close(), os.Remove(d.file.Name())) }
