// Package cp copies files between this machine and a container of a running task, as `docker container cp` does: what the
// verb cp does, and what an agent answers to it. What travels is a tar archive; its streams are those of package exec.
package cp

import (
	"errors"
	"fmt"
	"path"
	"strings"
)

// End is one end of a copy, as it is written on a command line.
type End struct {
	Task string // "" on this machine
	Path string // - for a stream
}

// Stream is the path of an archive on standard input or output.
const Stream = "-"

// ParseEnd reads TASK:PATH or a path of this machine. As with Docker, what begins with / or . is one of this machine, and
// so is what has no colon. An ARN has colons of its own.
func ParseEnd(text string) (End, error) {
	if text == "" {
		return End{}, errors.New("a path is empty")
	}
	if strings.HasPrefix(text, "/") || strings.HasPrefix(text, ".") {
		return End{Path: text}, nil
	}
	from := 0
	if strings.HasPrefix(text, "arn:") {
		const colons = 5
		for range colons {
			i := strings.IndexByte(text[from:], ':')
			if i < 0 {
				return End{}, fmt.Errorf("%q is no ARN with a path behind it: it looks like arn:aws:ecs:REGION:ACCOUNT:task/CLUSTER/ID:PATH", text)
			}
			from += i + 1
		}
	}
	task, name, found := strings.Cut(text[from:], ":")
	task = text[:from] + task
	switch {
	case !found && from > 0:
		return End{}, fmt.Errorf("%s names a task and no path: write %s:PATH", text, text)
	case !found:
		return End{Path: text}, nil
	case task == "":
		return End{}, fmt.Errorf("%q names no task before the colon (write ./%s for a file of this machine)", text, text)
	case name == "":
		return End{}, fmt.Errorf("%q names no path behind the colon: write %s/ for the root of the container", text, text)
	}
	return End{Task: task, Path: name}, nil
}

// source is what is copied.
type source struct {
	path string // with links followed as far as they are to be
	name string // what it is called where it goes into a directory
	dir  bool
	// contents says that a directory's contents are meant, not itself.
	contents bool
}

// target is where to.
type target struct {
	path   string
	exists bool
	dir    bool
	other  bool // it is neither a directory nor a regular file
	wanted bool // to be a directory: the path ends so
}

// claimsDirectory says whether a path is written as one of a directory.
func claimsDirectory(name string) bool {
	return strings.HasSuffix(name, "/") || strings.HasSuffix(name, "/.") || path.Clean(name) == "." || strings.HasSuffix(name, "..")
}

// claimsContents says whether the contents of a directory are meant by a path.
func claimsContents(name string) bool {
	base := path.Base(path.Clean(name))
	return strings.HasSuffix(name, "/.") || base == "." || base == ".." || base == "/"
}

// settle says under which name of which directory the source goes; "." is that directory itself. These are the rules of
// Docker's "docker container cp".
func settle(from source, to target) (dir, name string, err error) {
	clean := path.Clean(to.path)
	switch {
	case to.other:
		return "", "", fmt.Errorf("%s is neither a file nor a directory", to.path)
	case to.exists && !to.dir && to.wanted:
		return "", "", fmt.Errorf("%s is not a directory", to.path)
	case to.exists && !to.dir && from.dir:
		return "", "", fmt.Errorf("%s is a file: a directory is not copied onto it", to.path)
	case to.dir && from.contents:
		return clean, ".", nil
	case to.dir:
		return clean, from.name, nil
	case !to.exists && to.wanted && !from.dir:
		return "", "", fmt.Errorf("the directory %s does not exist", to.path)
	}
	return path.Dir(clean), path.Base(clean), nil
}
