package tree_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/tree"
)

// archive makes one of heads; the content of a file is its Uname.
func archive(t testing.TB, heads ...tar.Header) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range heads {
		text := h.Uname
		h.Uname, h.Size = "", int64(len(text))
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

func open(t testing.TB, dir string) *os.Root {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	return root
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// list tells what is below a directory: modes, links and contents.
func list(t testing.TB, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		info, err := entry.Info()
		if err != nil || name == "." {
			return err
		}
		found[name] = info.Mode().String()
		switch info.Mode().Type() {
		case 0:
			text, err := os.ReadFile(path)
			found[name] += " " + string(text)
			return err
		case fs.ModeSymlink:
			to, err := os.Readlink(path)
			found[name] = "-> " + to
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestThereAndBack packs a tree and unpacks it under another name.
func TestThereAndBack(t *testing.T) {
	t.Parallel()
	from, to := t.TempDir(), t.TempDir()
	write(t, filepath.Join(from, "a", "deep", "file"), "text")
	write(t, filepath.Join(from, "a", "empty"), "")
	write(t, filepath.Join(from, "a", "program"), "#!")
	write(t, filepath.Join(from, "a/ä long name "+strings.Repeat("x", 120)), "long")
	then := time.Date(2001, 2, 3, 4, 5, 6, 789, time.UTC)
	for _, err := range []error{
		os.Chmod(filepath.Join(from, "a", "program"), 0o755|fs.ModeSetuid),
		os.Link(filepath.Join(from, "a", "program"), filepath.Join(from, "a", "same")),
		os.Symlink("/etc/passwd", filepath.Join(from, "a", "link")),
		os.Symlink("../..", filepath.Join(from, "a", "deep", "up")),
		os.Chtimes(filepath.Join(from, "a", "deep", "file"), then, then),
		os.Chtimes(filepath.Join(from, "a", "deep"), then, then),
		os.Chmod(filepath.Join(from, "a", "deep"), 0o550),
		syscall.Mknod(filepath.Join(from, "a", "socket"), syscall.S_IFSOCK|0o600, 0),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { // so that it can be removed
		_ = os.Chmod(filepath.Join(from, "a", "deep"), 0o755)
		_ = os.Chmod(filepath.Join(to, "b", "deep"), 0o755)
	})
	var b bytes.Buffer
	if err := tree.Pack(t.Context(), &b, tree.Source{Root: open(t, from), Name: "a"}); err != nil {
		t.Fatalf("Pack = %v", err)
	}
	if err := tree.Unpack(t.Context(), &b, tree.Target{Root: open(t, to), As: "b"}); err != nil {
		t.Fatalf("Unpack = %v", err)
	}
	want := map[string]string{}
	for name, what := range list(t, from) {
		if name != "a/socket" {
			want["b"+strings.TrimPrefix(name, "a")] = strings.Replace(what, "urwx", "-rwx", 1)
		}
	}
	if diff := cmp.Diff(want, list(t, to)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, name := range []string{"b/deep", "b/deep/file"} {
		if info, err := os.Stat(filepath.Join(to, name)); err != nil || !info.ModTime().Equal(then) {
			t.Errorf("%s was changed at %v, %v, want %v", name, info.ModTime(), err, then)
		}
	}
	one, _ := os.Stat(filepath.Join(to, "b", "program"))
	other, _ := os.Stat(filepath.Join(to, "b", "same"))
	if !os.SameFile(one, other) {
		t.Error("two names of one file became two files")
	}
}

// TestHostile unpacks what tries to get out, or to destroy: nothing beside the directory changes.
func TestHostile(t *testing.T) {
	t.Parallel()
	link := func(name, to string) tar.Header {
		return tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: to}
	}
	hard := func(name, to string) tar.Header {
		return tar.Header{Name: name, Typeflag: tar.TypeLink, Linkname: to}
	}
	file := func(name string) tar.Header { return tar.Header{Name: name, Uname: "evil"} }
	dir := func(name string) tar.Header { return tar.Header{Name: name, Typeflag: tar.TypeDir, Mode: 0o777} }
	for name, heads := range map[string][]tar.Header{
		"up":                            {file("../victim")},
		"up from below":                 {file("a/../../victim")},
		"up and down again":             {file("a/../b")},
		"two dots alone":                {file("..")},
		"absolute":                      {file("/victim")},
		"a directory that leads up":     {dir("../other")},
		"through a link up":             {link("a", ".."), file("a/victim")},
		"through an absolute link":      {link("a", "OUTSIDE"), file("a/victim")},
		"through two links":             {link("a", "b"), link("b", ".."), file("a/victim")},
		"through a link to a file":      {link("a", "../victim"), file("a/x")},
		"a directory onto a link":       {link("a", "OUTSIDE"), dir("a")},
		"a directory through a link":    {link("a", "OUTSIDE"), dir("a/b")},
		"a link through a link":         {link("a", "OUTSIDE"), link("a/victim", "x")},
		"a hard link up":                {hard("a", "../victim")},
		"a hard link through a link":    {link("a", "OUTSIDE"), hard("b", "a/victim")},
		"a hard link, absolute":         {hard("a", "OUTSIDE/victim")},
		"a file onto a directory":       {file("full")},
		"a link onto a directory":       {link("full", "x")},
		"a directory onto a file":       {dir("kept")},
		"a file below a file":           {file("kept/x")},
		"a file as the whole":           {file(".")},
		"a hard link to what is absent": {hard("a", "absent")},
		"a hard link to a directory":    {hard("a", "full")},
		"a type that nobody knows":      {{Name: "a", Typeflag: 'Z'}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			outside := t.TempDir()
			inside := filepath.Join(outside, "inside")
			write(t, filepath.Join(outside, "victim"), "well")
			write(t, filepath.Join(inside, "full", "file"), "well")
			write(t, filepath.Join(inside, "kept"), "well")
			for i := range heads {
				heads[i].Linkname = strings.Replace(heads[i].Linkname, "OUTSIDE", outside, 1)
			}
			err := tree.Unpack(t.Context(), archive(t, heads...), tree.Target{Root: open(t, inside), As: "."})
			if err == nil {
				t.Error("Unpack = nil, want an error")
			}
			got := list(t, outside)
			for name, what := range map[string]string{
				"victim": "-rw-r--r-- well", "inside/kept": "-rw-r--r-- well", "inside/full/file": "-rw-r--r-- well",
			} {
				if got[name] != what {
					t.Errorf("%s is %q now, want %q", name, got[name], what)
				}
				delete(got, name)
			}
			for name, what := range got {
				if !strings.HasPrefix(name, "inside") || strings.Contains(name, ".maitred-") || strings.Contains(what, "evil") {
					t.Errorf("there is %s (%s), want nothing of it", name, what)
				}
			}
		})
	}
}

// TestReplace replaces links themselves, not what they lead to, and files at once.
func TestReplace(t *testing.T) {
	t.Parallel()
	outside := t.TempDir()
	inside := filepath.Join(outside, "inside")
	write(t, filepath.Join(outside, "victim"), "well")
	write(t, filepath.Join(inside, "file"), "old")
	if err := errors.Join(os.Symlink("../victim", filepath.Join(inside, "link")),
		os.Link(filepath.Join(outside, "victim"), filepath.Join(inside, "hard"))); err != nil {
		t.Fatal(err)
	}
	err := tree.Unpack(t.Context(), archive(t,
		tar.Header{Name: "link", Uname: "new"}, tar.Header{Name: "hard", Uname: "new"}, tar.Header{Name: "file", Uname: "new"},
		tar.Header{Name: "deep/down/file", Uname: "new"}, tar.Header{Name: "./", Typeflag: tar.TypeDir, Mode: 0o700},
		tar.Header{Name: "setuid", Mode: 0o4755}, tar.Header{Name: "file", Typeflag: tar.TypeLink, Linkname: "hard"},
		tar.Header{Name: "file", Typeflag: tar.TypeLink, Linkname: "hard"},
	), tree.Target{Root: open(t, inside)})
	if err != nil {
		t.Fatalf("Unpack = %v", err)
	}
	want := map[string]string{
		"victim": "-rw-r--r-- well", "inside": "drwxr-xr-x", "inside/link": "-rw-r--r-- new", "inside/hard": "-rw-r--r-- new",
		"inside/file": "-rw-r--r-- new", "inside/deep": "drwxr-xr-x", "inside/deep/down": "drwxr-xr-x",
		"inside/deep/down/file": "-rw-r--r-- new", "inside/setuid": "-rwxr-xr-x ",
	}
	if diff := cmp.Diff(want, list(t, outside)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestBroken: a file whose content breaks off does not take the place of the one that is there.
func TestBroken(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "file"), "old")
	whole := archive(t, tar.Header{Name: "file", Uname: strings.Repeat("new", 1000)}).Bytes()
	for _, n := range []int{100, 600, 2000} {
		err := tree.Unpack(t.Context(), bytes.NewReader(whole[:n]), tree.Target{Root: open(t, dir)})
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("Unpack of %d bytes = %v, want that it breaks off", n, err)
		}
	}
	if diff := cmp.Diff(map[string]string{"file": "-rw-r--r-- old"}, list(t, dir)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := tree.Unpack(t.Context(), strings.NewReader(strings.Repeat("no archive", 100)), tree.Target{Root: open(t, dir)}); err == nil {
		t.Error("Unpack of something else = nil, want an error")
	}
}

// TestLeftOut: devices and pipes are named, and all else is there.
func TestLeftOut(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	heads := []tar.Header{{Name: "null", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3}, {Name: "disk", Typeflag: tar.TypeBlock}}
	for i := range 11 {
		heads = append(heads, tar.Header{Name: fmt.Sprint("pipe\x1b", i), Typeflag: tar.TypeFifo})
	}
	err := tree.Unpack(t.Context(), archive(t, append(heads, tar.Header{Name: "file"})...), tree.Target{Root: open(t, dir)})
	left, ok := errors.AsType[*tree.LeftOutError](err)
	if !ok || left.More != 3 || !strings.Contains(err.Error(), `"null", "disk", "pipe\x1b0"`) {
		t.Errorf("Unpack = %v, want the names of what was left out", err)
	}
	if diff := cmp.Diff(map[string]string{"file": "-rw-r--r-- "}, list(t, dir)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestRewrite puts an archive elsewhere and takes its owners away.
func TestRewrite(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	err := tree.Rewrite(&b, archive(t, tar.Header{Name: ".", Typeflag: tar.TypeDir, Uid: 7}, tar.Header{Name: "./a", Uid: 7, Mode: 0o4711},
		tar.Header{Name: "b", Typeflag: tar.TypeLink, Linkname: "a"}), tree.Place("etc"), tree.Disown)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for r := tar.NewReader(&b); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s %o %d %s", h.Name, h.Mode, h.Uid, h.Linkname))
	}
	if diff := cmp.Diff([]string{"etc/ 644 0 ", "etc/a 711 0 ", "etc/b 644 0 etc/a"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := tree.Rewrite(io.Discard, archive(t, tar.Header{Name: "../a"}), tree.Place("etc")); !errors.Is(err, tree.ErrRefused) {
		t.Errorf("Rewrite of ../a = %v, want it refused", err)
	}
}

// FuzzUnpack: whatever an archive says, nothing changes beside the directory that it is unpacked into.
func FuzzUnpack(f *testing.F) {
	f.Add(archive(f, tar.Header{Name: "../victim", Uname: "x"}).Bytes())
	f.Add(archive(f, tar.Header{Name: "a", Typeflag: tar.TypeSymlink, Linkname: ".."}, tar.Header{Name: "a/victim", Uname: "x"}).Bytes())
	f.Add(archive(f, tar.Header{Name: "a", Typeflag: tar.TypeLink, Linkname: "../victim"}, tar.Header{Name: "a", Uname: "x"}).Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		outside := t.TempDir()
		inside := filepath.Join(outside, "inside")
		write(t, filepath.Join(outside, "victim"), "well")
		if err := os.Mkdir(inside, 0o700); err != nil {
			t.Fatal(err)
		}
		_ = tree.Unpack(t.Context(), bytes.NewReader(data), tree.Target{Root: open(t, inside)})
		names, err := os.ReadDir(outside)
		text, _ := os.ReadFile(filepath.Join(outside, "victim"))
		if err != nil || len(names) != 2 || string(text) != "well" {
			t.Errorf("there are %v now, and the victim is %q", names, text)
		}
	})
}
