package oci

import (
	"context"
	"log/slog"
	"time"

	"github.com/maitred/maitred/internal/image"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/network"
)

// Images is where images come from: an image.Store.
type Images interface {
	// Pull makes an image be on this machine; the request's holder keeps it there.
	Pull(ctx context.Context, req image.Request) (image.Image, error)
	// Unuse lets go of what a holder keeps.
	Unuse(holder string) error
	// Holders tells who keeps images.
	Holders() []string
}

// Network is what makes networks: a network.Host.
type Network interface {
	Make(ctx context.Context, r network.Request) (network.Endpoint, error)
	Secure(ctx context.Context, id string, rules []model.FirewallRule) error
	Release(ctx context.Context, id string) error
	List() []string
}

// Config says where and with what.
type Config struct {
	// Dir keeps the writable layers of containers, volumes and the keeper's directory. It belongs to root alone.
	Dir string
	// RunDir keeps what is of no use after the machine was restarted: bundles and the runtime's state. "" is a directory
	// of /run whose name comes from Dir.
	RunDir string
	// Runtime is the program runc or crun; "" to look for them in PATH, in this order.
	Runtime string
	Images  Images
	// Network makes networks; without it, only networkMode host can be had, and bridge is taken for it.
	Network Network
	// HostPath resolves a path of the machine that a task mounts, with all symbolic links followed, and refuses what the
	// operator does not allow; nil allows all. What is not there yet is made. It is asked at each start, because what a
	// path leads to can change; what it answers is mounted only if no link has come into that since.
	HostPath func(path string) (string, error)
	// Init is the program that runs InitMain, linked statically, with its words; nil is this program with the verb init.
	// Only the first word's file is seen in containers.
	Init string
	// Keeper is the command that runs keeper.Main, without its flags; nil is this program with the verb keeper.
	Keeper      []string
	KeeperFlags []string // for it, for example --log-size
	// StartTimeout bounds the start of a keeper; 0 is 10 s.
	StartTimeout time.Duration
	Logger       *slog.Logger // nil for none
}

const (
	modeHost   = "host"
	modeTask   = "task"
	modeBridge = "bridge"
	// initPath is where a container finds the program that is its init process, initVerb its first word.
	initPath = "/dev/init"
	initVerb = "init"
	// pausePrefix begins the keeper's ids of the processes that hold the namespaces of tasks.
	pausePrefix = "pause."
)
