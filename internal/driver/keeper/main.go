package keeper

import (
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
)

// Config is what a keeper is started with.
type Config struct {
	Dir      string // for its socket, journal and logs; made if it does not exist
	LogSize  int64  // of one log file of a container, in bytes; 0 for 10 MiB
	LogFiles int    // of a container, at most; 0 for 3
	// NoCgroups makes it do without cgroups, as where it may not make any.
	NoCgroups bool
	// Ready is called when clients can connect; nil for nothing.
	Ready  func()
	Logger *slog.Logger // nil for none
}

// readyFD is the descriptor by which a starter learns that the keeper is ready: it reads "ok", or else why not.
const readyFD = 3

// Main is the verb keeper of the binary; args are the words behind it. It returns the exit code. It is meant to be
// started by package process and, for the shim, by the keeper itself.
func Main(args []string, stderr io.Writer) int {
	if len(args) == 1 && args[0] == shimVerb {
		return shim()
	}
	var cfg Config
	var announce bool
	flags := flag.NewFlagSet("maitred keeper", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&cfg.Dir, "dir", "", "directory for the socket, the journal and the logs")
	flags.Int64Var(&cfg.LogSize, "log-size", 0, "bytes of one log file of a container (default 10 MiB)")
	flags.IntVar(&cfg.LogFiles, "log-files", 0, "log files of a container (default 3)")
	flags.BoolVar(&cfg.NoCgroups, "no-cgroups", false, "do without cgroups")
	flags.BoolVar(&announce, "announce", false, "write ok to descriptor 3 when clients can connect")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	closeInherited(announce)
	cfg.Logger = slog.New(slog.NewTextHandler(stderr, nil))
	starter := io.WriteCloser(nopCloser{io.Discard})
	if announce {
		starter = os.NewFile(readyFD, "starter")
	}
	cfg.Ready = func() {
		_, _ = io.WriteString(starter, "ok")
		_ = starter.Close()
	}
	if err := Run(cfg); err != nil {
		cfg.Logger.Error("the keeper ended", "error", err)
		_, _ = fmt.Fprint(starter, err)
		return 1
	}
	return 0
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }
