package image

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// The kinds of places that images come from. All but a registry are written as skopeo writes them.
const (
	kindRegistry      = "registry"
	kindLayout        = "oci"
	kindDockerArchive = "docker-archive"
	kindDockerDaemon  = "docker-daemon"
)

// reference is a parsed Ref.
type reference struct {
	kind   string
	text   string         // in one form for all spellings; the key under which it is remembered
	path   string         // of a layout or an archive
	tag    string         // in a layout or an archive; "" for the only image
	name   name.Reference // in a registry
	daemon string         // a name or an id in the daemon
	digest string         // that the name itself gives; "" if it gives none
}

// parse reads an image's name.
func parse(ref string) (reference, error) {
	kind, rest, ok := strings.Cut(ref, ":")
	if ok {
		switch kind {
		case kindLayout, kindDockerArchive:
			return parsePath(kind, rest)
		case kindDockerDaemon:
			return parseDaemon(rest)
		}
	}
	return parseRegistry(ref)
}

// parsePath reads PATH[:TAG]. As with skopeo a path has no colon.
func parsePath(kind, rest string) (reference, error) {
	path, tag, _ := strings.Cut(rest, ":")
	if !filepath.IsAbs(path) {
		return reference{}, fmt.Errorf("%s: needs an absolute path, and %q is none", kind, path)
	}
	if strings.ContainsRune(rest, 0) {
		return reference{}, fmt.Errorf("%s: %q is no path", kind, path)
	}
	r := reference{kind: kind, path: filepath.Clean(path), tag: tag}
	if r.text = kind + ":" + r.path; tag != "" {
		r.text += ":" + tag
	}
	return r, nil
}

// parseDaemon reads NAME[:TAG] or the id of an image in a Docker daemon.
func parseDaemon(rest string) (reference, error) {
	if hex, ok := strings.CutPrefix(rest, "sha256:"); ok {
		if _, err := v1.NewHash(rest); err != nil {
			return reference{}, fmt.Errorf("docker-daemon: %q is no id of an image", hex)
		}
		return reference{kind: kindDockerDaemon, text: kindDockerDaemon + ":" + rest, daemon: rest}, nil
	}
	n, err := name.ParseReference(rest, name.WithDefaultRegistry(""))
	if err != nil {
		return reference{}, fmt.Errorf("docker-daemon: %s", invalid(rest, err))
	}
	full := rest
	if _, tagged := n.(name.Tag); tagged && !strings.HasSuffix(rest, ":"+n.Identifier()) {
		full += ":" + n.Identifier()
	}
	return reference{kind: kindDockerDaemon, text: kindDockerDaemon + ":" + full, daemon: full}, nil
}

func parseRegistry(ref string) (reference, error) {
	tagged, digest, pinned := strings.Cut(ref, "@")
	n, err := name.ParseReference(ref)
	if err != nil {
		return reference{}, errors.New(invalid(ref, err))
	}
	for part := range strings.SplitSeq(tagged, "/") {
		if part == "" || part == "." || part == ".." { // they would be parts of the path that a registry is asked for
			return reference{}, errors.New(invalid(ref, nil))
		}
	}
	if pinned {
		// name:tag@digest: the tag says nothing more, but a wrong one is a mistake that is better told.
		if _, err := name.ParseReference(tagged); err != nil {
			return reference{}, errors.New(invalid(ref, err))
		}
	}
	return reference{kind: kindRegistry, text: n.Name(), name: n, digest: digest}, nil
}

// invalid says that a name is none, and why, without a password that somebody may have put into it.
func invalid(ref string, err error) string {
	var bad *name.ErrBadName
	switch {
	case strings.Contains(ref, "://"):
		return fmt.Sprintf("%q is no image's name: it begins with the registry's host, without a scheme", shown(ref))
	case errors.As(err, &bad) && shown(ref) == ref:
		return fmt.Sprintf("%q is no image's name: %s", ref, bad)
	default:
		return fmt.Sprintf("%q is no image's name", shown(ref))
	}
}

// shown is a name as errors may show it: bounded, and without what stands before an @ that no digest follows.
func shown(ref string) string {
	if i := strings.LastIndex(ref, "@"); i >= 0 && !strings.HasPrefix(ref[i:], "@sha256:") {
		ref = "…" + ref[i:]
	}
	if len(ref) > 300 {
		ref = ref[:300] + "…"
	}
	return strings.ToValidUTF8(ref, "?")
}

// host names whom a pull asks, as people write it.
func (r reference) host() string {
	switch {
	case r.kind == kindDockerDaemon:
		return "the Docker daemon"
	case r.kind != kindRegistry:
		return r.path
	case r.name.Context().RegistryStr() == name.DefaultRegistry:
		return "docker.io"
	default:
		return r.name.Context().RegistryStr()
	}
}
