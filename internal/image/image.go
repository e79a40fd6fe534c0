// Package image keeps container images on this machine's disk for drivers that run containers themselves: it pulls them
// from registries, OCI layouts, tar archives and a Docker daemon, unpacks each layer once into a directory that overlayfs
// can mount, remembers which name meant which digest, and makes room when the disk fills. It runs nothing.
//
// Everything is addressed by its content and verified by it, and becomes visible by one rename, so a process that dies at
// any moment leaves either all of a layer or a temporary directory that the next Open removes.
package image

import (
	"log/slog"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Config says where a Store keeps images and how it gets them. All members but Dir have defaults.
type Config struct {
	Dir         string         // made when it is not there; on a file system that overlayfs can use as a lower one
	Log         *slog.Logger   // nil to drop it
	Keychain    authn.Keychain // credentials of registries; nil for Docker's configuration of this user
	Insecure    []string       // host:port of registries that may be spoken to without TLS; loopback always may
	Docker      string         // endpoint of the daemon for docker-daemon:, as in DOCKER_HOST; "" for the environment's
	Concurrency int            // layers that are downloaded and unpacked at the same time, 4 if 0
	Idle        time.Duration  // without a byte, after which a pull is given up; 1 minute if 0, as ECS's agent does
	Retry       time.Duration  // before a broken download is tried again, doubled each time; 500 ms if 0
	Timeout     time.Duration  // of a whole pull; 2 hours if 0, as ECS's agent does
	Full        float64        // part of the file system in use above which unused images are removed; 0.85 if 0
	Enough      float64        // part in use at which that ends; 0.80 if 0
	Platform    *v1.Platform   // nil for this machine's

	Now    func() time.Time                     // nil for the clock
	Statfs func(dir string) (FileSystem, error) // nil for the kernel's
}

// FileSystem is how full a file system is, in bytes.
type FileSystem struct {
	Size int64
	Free int64 // for anybody, not only for root
}

// Policy says when an image is fetched although a copy is here.
type Policy string

// The policies. Default is what ECS's agent does by default: a tag is resolved anew at every pull, and the copy that is
// here is used where the registry cannot be reached.
const (
	Default Policy = ""
	Always  Policy = "always"  // resolved anew, or it is an error
	Missing Policy = "missing" // only if no copy is here
	Never   Policy = "never"   // the copy that is here, or it is an error
)

// Login is a user of a registry.
type Login struct{ Username, Password string }

// Request asks for an image.
type Request struct {
	Ref      string         // a registry's name, oci:DIR[:TAG], docker-archive:FILE.tar[:NAME] or docker-daemon:NAME[:TAG]
	Digest   string         // that the name stands for, whatever it means by now; "" to resolve it
	Login    *Login         // nil for the keychain's
	Policy   Policy         // of a name without a digest: what has a digest never changes and is fetched only if missing
	Holder   string         // marked as a user of the image before Pull returns, as by Use; "" for nobody
	Progress func(Progress) // called from one goroutine at a time; nil for nobody
}

// Progress is how far one layer of a pull is.
type Progress struct {
	Layer  int   // counted from 0, lowest first
	Layers int   // of the image
	Done   int64 // bytes downloaded
	Total  int64 // bytes to download; 0 if the source does not say
}

// Image is an image whose layers are all on the disk.
type Image struct {
	Ref    string
	Digest string // what the name stands for: of the index where there is one, else of the manifest (docker-archive, docker-daemon: of the configuration)
	Config RunConfig
	Layers []string // directories, lowest first; read only
	Size   int64    // bytes of the unpacked layers
	Pulled bool     // something was downloaded or unpacked for this call
}

// RunConfig is what an image says about how its containers run.
type RunConfig struct {
	Entrypoint []string
	Cmd        []string
	Env        []string // KEY=value
	WorkingDir string
	User       string // name or id, with :group or without
	StopSignal string
	Exposed    []string // port/protocol, sorted
	Volumes    []string // paths, sorted
	Labels     map[string]string
}

// Stored is an image in the store, for lists.
type Stored struct {
	Digest   string
	Refs     []string // names that were pulled and stand for it, sorted
	Size     int64    // bytes of its unpacked layers, those shared with other images included
	PulledAt time.Time
	UsedAt   time.Time // the last time that somebody began or ended to use it
	InUse    bool
}
