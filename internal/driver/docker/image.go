package docker

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/jsonstream"
	"github.com/moby/moby/client"
)

// labelProgram is the label of an image with the digest of the program that it was made of.
const labelProgram = "maitred.program"

// ImportStatic makes an image of one static Linux program, its entry point, and of nothing else, in the Docker that
// Answers asks. Nothing is pulled. It does nothing where the name is an image of the same program already.
func ImportStatic(ctx context.Context, name, program string) error {
	c, err := connect(ctx, "", quickTimeout)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	ctx, cancel := context.WithTimeout(ctx, importTimeout)
	defer cancel()
	if err := importStatic(ctx, c, name, program); err != nil {
		return fmt.Errorf("make image %s of %s: %w", name, program, err)
	}
	return nil
}

func importStatic(ctx context.Context, c *client.Client, name, program string) error {
	sum, err := checkStatic(program)
	if err != nil {
		return err
	}
	there, err := c.ImageInspect(ctx, name)
	if err == nil && there.Config != nil && there.Config.Labels[labelProgram] == sum {
		return nil
	}
	if err != nil && !errdefs.IsNotFound(err) {
		return err
	}
	entry, err := json.Marshal([]string{"/" + filepath.Base(program)})
	if err != nil {
		return err
	}
	r, w := io.Pipe()
	var writer sync.WaitGroup
	defer writer.Wait()
	defer func() { _ = r.Close() }()
	writer.Go(func() { _ = w.CloseWithError(writeTar(w, program)) })
	return importRoot(ctx, c, name, r, []string{"ENTRYPOINT " + string(entry), "LABEL " + labelProgram + "=" + sum})
}

// importRoot makes an image of a root directory in a tar.
func importRoot(ctx context.Context, c *client.Client, name string, archive io.Reader, changes []string) error {
	result, err := c.ImageImport(ctx, client.ImageImportSource{Source: archive, SourceName: "-"}, name,
		client.ImageImportOptions{Changes: changes})
	if err != nil {
		return err
	}
	defer result.Close()
	return answered(result)
}

// answered reads the daemon's report of its progress; an error is in it, not in the status.
func answered(report io.Reader) error {
	lines := json.NewDecoder(report)
	for {
		var m jsonstream.Message
		err := lines.Decode(&m)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case m.Error != nil:
			return m.Error
		}
	}
}

// checkStatic says whether a program can run alone, without a loader and libraries, and gives its digest.
func checkStatic(program string) (sum string, err error) {
	f, err := os.Open(program)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	binary, err := elf.NewFile(f)
	if err != nil {
		return "", fmt.Errorf("it is not a Linux program: %w", err)
	}
	for _, segment := range binary.Progs {
		if segment.Type == elf.PT_INTERP {
			return "", errors.New("it is not static, and its libraries would be missing (build it with CGO_ENABLED=0)")
		}
	}
	hash := sha256.New()
	if _, err := io.Copy(hash, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// writeTar writes a root directory that has a program in it.
func writeTar(to io.Writer, program string) error {
	f, err := os.Open(program)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	w := tar.NewWriter(to)
	err = w.WriteHeader(&tar.Header{Name: filepath.Base(program), Mode: 0o755, Size: info.Size(), ModTime: info.ModTime()})
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, f); err != nil {
		return err
	}
	return w.Close()
}
