package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/pprof"
	"syscall"

	"github.com/maitred/maitred/internal/daemon"
	"github.com/maitred/maitred/internal/store/etcd"
)

// What this program does as a child of itself.
const (
	childEtcd    = "child-etcd"    // DIR: the embedded etcd and nothing else
	childUp      = "child-up"      // PREFIX DIR LISTEN: `maitred up` under a profiler
	childBackend = "child-backend" // N: what proxies are put before, at N addresses
)

func child(args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	switch {
	case args[0] == childEtcd && len(args) == 2:
		return etcdAlone(ctx, args[1])
	case args[0] == childUp && len(args) == 4:
		return profiled(ctx, args[1], args[2], args[3])
	case args[0] == childBackend && len(args) == 2:
		return backend(ctx, args[1])
	}
	return fmt.Errorf("child: %q", args)
}

func etcdAlone(ctx context.Context, dir string) error {
	backend, err := etcd.Embed(ctx, etcd.Member{Dir: dir})
	if err != nil {
		return err
	}
	fmt.Println("ready")
	<-ctx.Done()
	return backend.Close()
}

// profiled is `maitred up`, with profiles of its processor time and of its heap at the end.
func profiled(ctx context.Context, prefix, dir, listen string) error {
	cpu, err := os.Create(prefix + ".cpu")
	if err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(cpu); err != nil {
		return errors.Join(err, cpu.Close())
	}
	c := daemon.Defaults()
	c.Server, c.Agent, c.Balancer, c.Driver, c.DataDir, c.Listen = true, true, true, "process", dir, listen
	heap := make(chan error, 1)
	end, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	go func() {
		<-ctx.Done()
		heap <- writeHeap(prefix + ".heap")
		cancel()
	}()
	err = daemon.Run(end, c)
	pprof.StopCPUProfile()
	return errors.Join(err, cpu.Close(), <-heap)
}

func writeHeap(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	runtime.GC()
	return errors.Join(pprof.WriteHeapProfile(f), f.Close())
}
