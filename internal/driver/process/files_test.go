//go:build linux

package process_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/driver/drivertest"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/testneeds"
)

// TestFilesAsUser: what the user of a program may not read or write is not copied for it either, whatever links it makes;
// a relative path begins at the working directory; and the next keeper still knows where that is.
func TestFilesAsUser(t *testing.T) {
	t.Parallel()
	testneeds.Root(t)
	w := newWorld(t)
	d := w.connect(t)
	defer func() { _ = d.Close() }()
	room := filepath.Join(w.files, "room")
	private := filepath.Join(w.files, "private")
	program := filepath.Join(w.files, "program")
	text, err := os.ReadFile(w.self)
	if err := errors.Join(err, os.WriteFile(program, text, 0o755), os.Mkdir(room, 0o755), os.Chown(room, 65534, 65534), os.Mkdir(private, 0o700),
		os.WriteFile(filepath.Join(private, "secret"), []byte("secret"), 0o600), os.WriteFile(filepath.Join(room, "secret"), []byte("secret"), 0o600),
		os.Symlink("../private", filepath.Join(room, "dir")), os.Symlink(private+"/secret", filepath.Join(room, "link")),
		os.Chmod(w.files, 0o755), os.Chmod(filepath.Dir(w.files), 0o755)); err != nil {
		t.Fatal(err)
	}
	_, err = d.Start(t.Context(), driver.Spec{ID: "a", Definition: model.ContainerDefinition{
		Name: "main", Image: "process", User: "65534:65534", WorkingDirectory: room,
		EntryPoint: []string{program, drivertest.ProgramArg}, Command: []string{"sleep"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for _, name := range []string{"dir/secret", "dir", "link/", "secret", private + "/secret", filepath.Join(room, "dir", "secret"), "/etc/shadow"} {
			var b bytes.Buffer
			err := d.CopyOut(t.Context(), "a", strings.TrimSuffix(name, "/"), &b)
			if name == "dir" || name == "link/" { // it is the link itself that is copied
				if h, e := tar.NewReader(&b).Next(); err != nil || e != nil || h.Typeflag != tar.TypeSymlink {
					t.Errorf("CopyOut(%s) = %v, %v, want the link", name, err, e)
				}
				continue
			}
			if !errors.Is(err, fs.ErrPermission) || bytes.Contains(b.Bytes(), []byte("secret")) {
				t.Errorf("CopyOut(%s) = %v, %q, want it forbidden", name, err, b.Bytes())
			}
		}
		for _, dir := range []string{"dir", private, "/etc"} {
			if err := d.CopyIn(t.Context(), "a", dir, driver.Copy{Archive: oneFile(t)}); !errors.Is(err, fs.ErrPermission) {
				t.Errorf("CopyIn(%s) = %v, want it forbidden", dir, err)
			}
		}
		if err := d.CopyIn(t.Context(), "a", ".", driver.Copy{Archive: oneFile(t)}); err != nil {
			t.Errorf("CopyIn of the working directory = %v", err)
		}
		if err := d.CopyIn(t.Context(), "a", ".", driver.Copy{Archive: oneFile(t), Owners: true}); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("CopyIn for root = %v, want it forbidden", err)
		}
		if err := d.CopyOut(t.Context(), "a", "file", io.Discard); err != nil {
			t.Errorf("CopyOut of the file = %v", err)
		}
		w.killKeeper(t)
	}
	if names, err := os.ReadDir(private); err != nil || len(names) != 1 {
		t.Errorf("the private directory has %v, %v", names, err)
	}
}

func oneFile(t *testing.T) io.Reader {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := errors.Join(w.WriteHeader(&tar.Header{Name: "file", Typeflag: tar.TypeReg, Mode: 0o644}), w.Close()); err != nil {
		t.Fatal(err)
	}
	return &b
}
