package inside_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/driver/inside"
	"github.com/maitred/maitred/internal/testneeds"
)

// world is a root, with a file beside it that nobody shall get at.
func world(t *testing.T) (root *inside.Root, dir, secret string) {
	t.Helper()
	top := t.TempDir()
	dir, secret = filepath.Join(top, "root"), filepath.Join(top, "secret")
	if err := errors.Join(os.WriteFile(secret, []byte("secret"), 0o644), os.MkdirAll(filepath.Join(dir, "etc"), 0o755),
		os.WriteFile(filepath.Join(dir, "etc", "file"), []byte("inside"), 0o644)); err != nil {
		t.Fatal(err)
	}
	root, err := inside.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	return root, dir, secret
}

// text is that of the only file of a copy.
func text(t *testing.T, root *inside.Root, name string) (string, error) {
	t.Helper()
	var b bytes.Buffer
	if err := root.CopyOut(t.Context(), name, &b); err != nil {
		return b.String(), err
	}
	in := tar.NewReader(&b)
	if _, err := in.Next(); err != nil {
		return "", err
	}
	content, err := io.ReadAll(in)
	return string(content), err
}

func archive(t *testing.T, name, content string) io.Reader {
	t.Helper()
	var b bytes.Buffer
	out := tar.NewWriter(&b)
	err := out.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(content))})
	if err == nil {
		_, err = io.WriteString(out, content)
	}
	if err = errors.Join(err, out.Close()); err != nil {
		t.Fatal(err)
	}
	return &b
}

// TestLinks: a link leads to where it leads below the root, and those of /proc nowhere.
func TestLinks(t *testing.T) {
	t.Parallel()
	root, dir, secret := world(t)
	for name, to := range map[string]string{
		"absolute": "/etc/file", "up": "../../../../etc/file", "chain": "up", "dir": "/etc", "outside": secret,
		"outsidedir": filepath.Dir(secret), "magic": "/proc/self/root", "circle": "circle", "parent": "..",
	} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{
		"absolute": "/etc/file", "/up": "/etc/file", "chain": "/etc/file", "dir": "/etc", "outside": secret, "parent": "/",
		"dir/../absolute": "/etc/file", "../../up": "/etc/file",
	} {
		if f, err := root.Stat(name); err != nil || f.Target != want {
			t.Errorf("Stat(%s) = %+v, %v, want the target %s", name, f, err, want)
		}
	}
	if got, err := text(t, root, "/dir/file"); err != nil || got != "inside" {
		t.Errorf("the file behind a link is %q, %v", got, err)
	}
	for _, name := range []string{secret, "outsidedir/secret", "magic" + secret, "circle/x", "../secret", "parent/secret", "a\x00b"} {
		if got, err := text(t, root, name); err == nil || strings.Contains(got, "secret") {
			t.Errorf("CopyOut(%q) = %q, %v, want an error", name, got, err)
		}
	}
	for _, to := range []string{"outsidedir", "magic" + filepath.Dir(secret), filepath.Dir(secret), "circle"} {
		if err := root.CopyIn(t.Context(), to, driver.Copy{Archive: archive(t, "secret", "evil")}); err == nil {
			t.Errorf("CopyIn(%s) = nil, want an error", to)
		}
	}
	if err := root.CopyIn(t.Context(), "parent", driver.Copy{Archive: archive(t, "secret", "evil")}); err != nil {
		t.Errorf("CopyIn of the root by a link above it = %v", err)
	}
	if got, _ := os.ReadFile(secret); string(got) != "secret" {
		t.Errorf("the file outside says %q", got)
	}
	if _, err := root.Stat("circle"); !errors.Is(err, unix.ELOOP) {
		t.Errorf("Stat of a circle = %v, want ELOOP", err)
	}
}

// TestKinds: pipes do not block, the kernel's files are refused.
func TestKinds(t *testing.T) {
	t.Parallel()
	root, dir, _ := world(t)
	if err := errors.Join(unix.Mkfifo(filepath.Join(dir, "pipe"), 0o600), unix.Mknod(filepath.Join(dir, "socket"), unix.S_IFSOCK|0o600, 0)); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]fs.FileMode{"pipe": fs.ModeNamedPipe, "socket": fs.ModeSocket, "etc": fs.ModeDir, "etc/file": 0} {
		if f, err := root.Stat(name); err != nil || f.Mode.Type() != want {
			t.Errorf("Stat(%s) = %+v, %v, want %v", name, f, err, want)
		}
	}
	if err := root.CopyOut(t.Context(), "pipe", io.Discard); err != nil {
		t.Errorf("CopyOut of a pipe = %v", err)
	}
	machine, err := inside.Open("/")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = machine.Close() }()
	for _, name := range []string{"/proc/version", "/proc", "/proc/self/fd", "/sys/kernel"} {
		if err := machine.CopyOut(t.Context(), name, io.Discard); err == nil || !strings.Contains(err.Error(), "kernel") {
			t.Errorf("CopyOut(%s) = %v, want it refused", name, err)
		}
		if err := machine.CopyIn(t.Context(), "/proc/sys/kernel", driver.Copy{Archive: archive(t, "x", "")}); err == nil {
			t.Error("CopyIn into /proc = nil, want an error")
		}
	}
}

// TestRace has links and directories change places all the time: what is outside is never read or written.
func TestRace(t *testing.T) {
	t.Parallel()
	root, dir, secret := world(t)
	top := filepath.Dir(secret)
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "real"), 0o755), os.WriteFile(filepath.Join(dir, "real", "secret"), []byte("inside"), 0o644),
		os.Symlink(top, filepath.Join(dir, "link"))); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var work sync.WaitGroup
	defer work.Wait()
	defer close(stop)
	work.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				_ = unix.Renameat2(unix.AT_FDCWD, filepath.Join(dir, "real"), unix.AT_FDCWD, filepath.Join(dir, "link"), unix.RENAME_EXCHANGE)
			}
		}
	})
	for range 500 {
		for _, name := range []string{"real/secret", "real"} {
			if got, _ := text(t, root, name); strings.Contains(got, "secret") {
				t.Fatalf("CopyOut(%s) gave what is outside: %q", name, got)
			}
		}
		_ = root.CopyIn(t.Context(), "real", driver.Copy{Archive: archive(t, "written", "x")})
		_ = root.CopyIn(t.Context(), "/", driver.Copy{Archive: archive(t, "real/written", "x")})
	}
	names, err := os.ReadDir(top)
	if err != nil || len(names) != 2 {
		t.Errorf("outside there are %v, %v, want nothing new", names, err)
	}
}

// TestUser acts as somebody who may less, and afterwards as before.
func TestUser(t *testing.T) {
	t.Parallel()
	testneeds.Root(t)
	dir := t.TempDir()
	secret, open := filepath.Join(dir, "secret"), filepath.Join(dir, "open")
	if err := errors.Join(os.WriteFile(secret, nil, 0o600), os.Mkdir(open, 0o777), os.Chmod(open, 0o777),
		os.Chmod(dir, 0o755), os.Chmod(filepath.Dir(dir), 0o755)); err != nil {
		t.Fatal(err)
	}
	nobody := inside.User{UID: 65534, GID: 65533, Groups: []int{65532}}
	var work sync.WaitGroup
	for range 20 {
		work.Go(func() {
			f, err := os.CreateTemp(t.TempDir(), "")
			if err != nil {
				t.Error(err)
				return
			}
			_ = f.Close()
			err = nobody.Do(func() error {
				_, err := os.ReadFile(secret)
				return err
			})
			if !errors.Is(err, fs.ErrPermission) {
				t.Errorf("reading root's file as nobody = %v, want it forbidden", err)
			}
			err = nobody.Do(func() error { return os.WriteFile(filepath.Join(open, filepath.Base(f.Name())), nil, 0o600) })
			if err != nil {
				t.Errorf("writing as nobody = %v", err)
			}
			if err := nobody.Do(func() error { return os.Chown(open, 1, 1) }); !errors.Is(err, fs.ErrPermission) {
				t.Errorf("giving a directory away as nobody = %v, want it forbidden", err)
			}
			if _, err := os.ReadFile(secret); err != nil {
				t.Errorf("reading root's file afterwards = %v", err)
			}
		})
	}
	work.Wait()
	files, err := os.ReadDir(open)
	if err != nil || len(files) == 0 {
		t.Fatalf("there are %v, %v", files, err)
	}
	for _, f := range files {
		var st unix.Stat_t
		if err := unix.Stat(filepath.Join(open, f.Name()), &st); err != nil || st.Uid != 65534 || st.Gid != 65533 {
			t.Errorf("%s belongs to %d:%d, %v, want nobody", f.Name(), st.Uid, st.Gid, err)
		}
	}
	self, err := inside.UserOf(os.Getpid())
	if err != nil || self.UID != 0 {
		t.Errorf("UserOf(self) = %+v, %v, want root", self, err)
	}
	if _, err := inside.UserOf(1 << 30); err == nil {
		t.Error("UserOf nobody's pid = nil, want an error")
	}
}
