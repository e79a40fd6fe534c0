package layer_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/maitred/maitred/internal/image/layer"
	"github.com/maitred/maitred/internal/testneeds"
)

var stamp = time.Unix(1_600_000_000, 0)

func file(name, content string) entry {
	return entry{tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(content)), ModTime: stamp}, content}
}

func dir(name string, mode int64) entry {
	return entry{tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: mode, ModTime: stamp}, ""}
}

func link(kind byte, name, target string) entry {
	return entry{tar.Header{Typeflag: kind, Name: name, Linkname: target, Mode: 0o777, ModTime: stamp}, ""}
}

type entry struct {
	tar.Header
	content string
}

func archive(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		if err := w.WriteHeader(&e.Header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// tree tells what lies below a directory: type, mode and content or target of each.
func tree(t testing.TB, root string) map[string]string {
	t.Helper()
	got := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		text := info.Mode().String()
		switch {
		case info.Mode().IsRegular():
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			text += " " + string(content)
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			text += " " + target
		}
		name, _ := filepath.Rel(root, path)
		if opaque(path) {
			text += " opaque"
		}
		got[name] = text
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func opaque(path string) bool {
	var value [4]byte
	n, err := unix.Lgetxattr(path, "trusted.overlay.opaque", value[:])
	return err == nil && string(value[:n]) == "y"
}

// unpack unpacks into a directory beside which nothing may appear.
func unpack(t testing.TB, data []byte) (root string, err error) {
	t.Helper()
	parent := t.TempDir()
	root = filepath.Join(parent, "root")
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	_, err = layer.Unpack(t.Context(), bytes.NewReader(data), root, layer.Options{})
	others, readErr := os.ReadDir(parent)
	if readErr != nil {
		t.Fatal(readErr)
	}
	if len(others) != 1 {
		t.Errorf("beside the layer: got %v, want nothing", others)
	}
	return root, err
}

func TestUnpackEntries(t *testing.T) {
	t.Parallel()
	testneeds.Root(t)
	const whiteout = "Dc---------"
	for _, c := range []struct {
		name    string
		entries []entry
		want    map[string]string
	}{
		{
			"files and directories",
			[]entry{dir("bin/", 0o755), file("bin/sh", "x"), file("./etc/passwd", "root"), dir("tmp", 0o1777)},
			map[string]string{"bin": "drwxr-xr-x", "bin/sh": "-rw-r--r-- x", "etc": "drwxr-xr-x", "etc/passwd": "-rw-r--r-- root", "tmp": "dtrwxrwxrwx"},
		},
		{
			"a leading slash is the layer's directory",
			[]entry{file("/a", "1"), file("//b//c", "2")},
			map[string]string{"a": "-rw-r--r-- 1", "b": "drwxr-xr-x", "b/c": "-rw-r--r-- 2"},
		},
		{
			"the last of a name holds",
			[]entry{file("a", "1"), file("a", "2"), dir("b", 0o700), file("b/c", "x"), file("b", "now a file"), file("d", ""), dir("d", 0o750), file("d/e", "y")},
			map[string]string{"a": "-rw-r--r-- 2", "b": "-rw-r--r-- now a file", "d": "drwxr-x---", "d/e": "-rw-r--r-- y"},
		},
		{
			"a directory twice keeps what is in it",
			[]entry{dir("a", 0o700), file("a/b", "1"), dir("a", 0o755)},
			map[string]string{"a": "drwxr-xr-x", "a/b": "-rw-r--r-- 1"},
		},
		{
			"hard links across directories",
			[]entry{file("a/x", "1"), link(tar.TypeLink, "b/y", "a/x"), link(tar.TypeLink, "b/z", "/b/y"), link(tar.TypeLink, "b/z", "a/x")},
			map[string]string{"a": "drwxr-xr-x", "a/x": "-rw-r--r-- 1", "b": "drwxr-xr-x", "b/y": "-rw-r--r-- 1", "b/z": "-rw-r--r-- 1"},
		},
		{
			"symbolic links lead inside the layer",
			[]entry{
				dir("usr/lib", 0o755), link(tar.TypeSymlink, "lib", "usr/lib"), file("lib/a", "1"),
				dir("run", 0o755), dir("var", 0o755), link(tar.TypeSymlink, "var/run", "/run"), file("var/run/pid", "2"),
				link(tar.TypeSymlink, "up", "../../../usr"), file("up/b", "3"),
				link(tar.TypeSymlink, "passwd", "/etc/passwd"),
			},
			map[string]string{
				"usr": "drwxr-xr-x", "usr/lib": "drwxr-xr-x", "lib": "Lrwxrwxrwx usr/lib", "usr/lib/a": "-rw-r--r-- 1",
				"run": "drwxr-xr-x", "var": "drwxr-xr-x", "var/run": "Lrwxrwxrwx /run", "run/pid": "-rw-r--r-- 2",
				"up": "Lrwxrwxrwx ../../../usr", "usr/b": "-rw-r--r-- 3", "passwd": "Lrwxrwxrwx /etc/passwd",
			},
		},
		{
			"a link that became a directory is one",
			[]entry{dir("x/b", 0o755), link(tar.TypeSymlink, "l", "x"), file("l/b/1", "1"), dir("l", 0o755), file("l/b/2", "2")},
			map[string]string{
				"x": "drwxr-xr-x", "x/b": "drwxr-xr-x", "x/b/1": "-rw-r--r-- 1", "l": "drwxr-xr-x",
				"l/b": "drwxr-xr-x", "l/b/2": "-rw-r--r-- 2",
			},
		},
		{
			"whiteouts",
			[]entry{file("a/.wh.gone", ""), file(".wh.top", ""), file("b/.wh..wh..opq", ""), file("b/new", "1"), file(".wh..wh.aufs", ""), file(".wh..wh.plnk/1.2", "")},
			map[string]string{"a": "drwxr-xr-x", "a/gone": whiteout, "top": whiteout, "b": "drwxr-xr-x opaque", "b/new": "-rw-r--r-- 1"},
		},
		{
			"a whiteout and an entry of one layer",
			[]entry{file("a", "1"), file(".wh.a", ""), file(".wh.b", ""), file("b", "2"), dir("c", 0o755), file("c/x", "3"), file(".wh.c", ""), file(".wh.d", ""), dir("d", 0o700)},
			map[string]string{
				"a": "-rw-r--r-- 1", "b": "-rw-r--r-- 2", "c": "drwxr-xr-x opaque", "c/x": "-rw-r--r-- 3", "d": "drwx------ opaque",
			},
		},
		{
			"devices and pipes",
			[]entry{
				{tar.Header{Typeflag: tar.TypeChar, Name: "null", Mode: 0o666, Devmajor: 1, Devminor: 3, ModTime: stamp}, ""},
				{tar.Header{Typeflag: tar.TypeBlock, Name: "disk", Mode: 0o660, Devmajor: 7, Devminor: 9, ModTime: stamp}, ""},
				{tar.Header{Typeflag: tar.TypeFifo, Name: "pipe", Mode: 0o600, ModTime: stamp}, ""},
			},
			map[string]string{"null": "Dcrw-rw-rw-", "disk": "Drw-rw----", "pipe": "prw-------"},
		},
		{
			"set-user-id",
			[]entry{{tar.Header{Typeflag: tar.TypeReg, Name: "su", Mode: 0o4755, Uid: 7, Gid: 8, ModTime: stamp}, ""}},
			map[string]string{"su": "urwxr-xr-x "},
		},
		{"nothing", nil, map[string]string{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			root, err := unpack(t, archive(t, c.entries...))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, tree(t, root)); diff != "" {
				t.Errorf("the layer (-want +got):\n%s", diff)
			}
		})
	}
}

func TestUnpackAttributes(t *testing.T) {
	t.Parallel()
	testneeds.Root(t)
	capability := "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" // NET_BIND_SERVICE
	root, err := unpack(t, archive(t,
		entry{tar.Header{Typeflag: tar.TypeDir, Name: "./", Mode: 0o711, Uid: 5, Gid: 6, ModTime: stamp}, ""},
		entry{tar.Header{Typeflag: tar.TypeDir, Name: "d", Mode: 0o755, ModTime: stamp}, ""},
		entry{tar.Header{Typeflag: tar.TypeReg, Name: "d/f", Mode: 0o755, Uid: 1000, Gid: 1001, ModTime: stamp, PAXRecords: map[string]string{
			"SCHILY.xattr.security.capability": capability, "SCHILY.xattr.user.note": "hello",
			"SCHILY.xattr.trusted.overlay.redirect": "/etc", "SCHILY.xattr.user.overlay.opaque": "y", "SCHILY.xattr.trusted.other": "x",
		}}, ""},
		entry{tar.Header{Typeflag: tar.TypeSymlink, Name: "d/l", Linkname: "nowhere", Uid: 3, Gid: 4, ModTime: stamp}, ""},
	))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string][2]uint32{".": {5, 6}, "d": {0, 0}, "d/f": {1000, 1001}, "d/l": {3, 4}} {
		var st unix.Stat_t
		if err := unix.Lstat(filepath.Join(root, path), &st); err != nil {
			t.Fatal(err)
		}
		if got := [2]uint32{st.Uid, st.Gid}; got != want {
			t.Errorf("owner of %s: got %v, want %v", path, got, want)
		}
		if got := time.Unix(st.Mtim.Unix()); !got.Equal(stamp) {
			t.Errorf("time of %s: got %v, want %v", path, got, stamp)
		}
	}
	buffer := make([]byte, 1024)
	n, err := unix.Llistxattr(filepath.Join(root, "d", "f"), buffer)
	if err != nil {
		t.Fatal(err)
	}
	names := strings.Split(strings.Trim(string(buffer[:n]), "\x00"), "\x00")
	want := map[string]bool{"security.capability": true, "user.note": true}
	got := map[string]bool{}
	for _, name := range names {
		got[name] = true
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
}

// TestUnpackRefuses is a corpus of layers that no builder makes: each is refused, and nothing appears outside.
func TestUnpackRefuses(t *testing.T) {
	t.Parallel()
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.WriteFile(outside, []byte("safe"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		entries []entry
	}{
		{"up", []entry{file("../x", "1")}},
		{"up in the middle", []entry{file("a/../../x", "1")}},
		{"up that would stay inside", []entry{file("a/../x", "1")}},
		{"absolute and up", []entry{file("/../x", "1")}},
		{"a directory up", []entry{dir("..", 0o755)}},
		{"a hard link up", []entry{link(tar.TypeLink, "x", "../outside")}},
		{"an absolute hard link", []entry{link(tar.TypeLink, "x", outside)}},
		{"a hard link through a link", []entry{link(tar.TypeSymlink, "d", filepath.Dir(outside)), link(tar.TypeLink, "x", "d/outside")}},
		{"a hard link to nothing", []entry{link(tar.TypeLink, "x", "y")}},
		{"a hard link to the layer", []entry{link(tar.TypeLink, "x", ".")}},
		{"the layer is a link", []entry{link(tar.TypeSymlink, ".", "/")}},
		{"the layer is a file", []entry{file(".", "")}},
		{"a whiteout of nothing", []entry{file("a/.wh.", "")}},
		{"a whiteout of the directory", []entry{file(".wh..", "")}},
		{"a whiteout of the one above", []entry{file("a/.wh...", "")}},
		{"below a whiteout", []entry{file("a/.wh.b/c", "")}},
		{"a type of its own", []entry{{tar.Header{Typeflag: 'Z', Name: "x", Format: tar.FormatUSTAR}, ""}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := unpack(t, archive(t, c.entries...))
			if !errors.Is(err, layer.ErrRefused) {
				t.Errorf("got the error %v, want one that says refused", err)
			}
		})
	}
}

// TestUnpackContains writes through links that lead out: what is written stays inside, or is an error.
func TestUnpackContains(t *testing.T) {
	t.Parallel()
	outside := t.TempDir()
	for _, c := range []struct {
		name    string
		entries []entry
	}{
		{"through an absolute link", []entry{link(tar.TypeSymlink, "d", outside), file("d/x", "1")}},
		{"through a link up", []entry{link(tar.TypeSymlink, "d", strings.Repeat("../", 40)+outside), file("d/x", "1")}},
		{"through a chain", []entry{link(tar.TypeSymlink, "a", "b"), link(tar.TypeSymlink, "b", outside), file("a/x", "1")}},
		{"over a link", []entry{link(tar.TypeSymlink, "x", outside+"/x"), file("x", "1")}},
		{"a whiteout through a link", []entry{link(tar.TypeSymlink, "d", outside), file("d/.wh.x", "")}},
		{"opaque through a link", []entry{link(tar.TypeSymlink, "d", outside), file("d/.wh..wh..opq", "")}},
		{"through itself", []entry{link(tar.TypeSymlink, "d", "d"), file("d/x", "1")}},
		{"through proc", []entry{link(tar.TypeSymlink, "d", "/proc/self/root"), file("d"+outside+"/x", "1")}},
		{"a mode through a link", []entry{link(tar.TypeSymlink, "d", outside), dir("d", 0o777)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := tree(t, filepath.Dir(outside))
			root, err := unpack(t, archive(t, c.entries...))
			after := tree(t, filepath.Dir(outside))
			for name := range after {
				if inside, _ := filepath.Rel(filepath.Dir(outside), root); strings.HasPrefix(name, filepath.Dir(inside)) {
					delete(after, name)
				}
			}
			if diff := cmp.Diff(before, after); diff != "" {
				t.Errorf("outside the layer, with the error %v (-before +after):\n%s", err, diff)
			}
		})
	}
}

func TestUnpackBroken(t *testing.T) {
	t.Parallel()
	whole := archive(t, file("a", strings.Repeat("x", 5000)), file("b", "y"))
	for name, data := range map[string][]byte{
		"in a header":  whole[:300],
		"in a file":    whole[:2000],
		"no archive":   bytes.Repeat([]byte("no tar "), 1000),
		"a size wrong": bytes.Replace(whole, []byte("00000011610"), []byte("77777777777"), 1),
	} {
		if _, err := unpack(t, data); err == nil {
			t.Errorf("an archive that is broken %s: got no error", name)
		}
	}
}

func TestUnpackAsksForRoom(t *testing.T) {
	t.Parallel()
	full := errors.New("full")
	asked := 0
	room := func() error {
		if asked++; asked > 2 {
			return full
		}
		return nil
	}
	big := archive(t, file("big", strings.Repeat("x", 100<<20)))
	_, err := layer.Unpack(t.Context(), bytes.NewReader(big), t.TempDir(), layer.Options{Room: room})
	if !errors.Is(err, full) || asked != 3 {
		t.Errorf("100 MiB where there is room for 64: got the error %v after %d questions, want %v after 3", err, asked, full)
	}
}

func TestUnpackEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	cancel(why)
	_, err := layer.Unpack(ctx, bytes.NewReader(archive(t, file("a", ""))), t.TempDir(), layer.Options{})
	if !errors.Is(err, why) {
		t.Errorf("got the error %v, want %v", err, why)
	}
}

// FuzzUnpack looks for archives that reach outside, or that hang or crash the reader.
func FuzzUnpack(f *testing.F) {
	f.Add(archive(f, dir("a", 0o755), file("a/b", "x"), link(tar.TypeSymlink, "l", "/a"), file("l/c", "y"), file("a/.wh.d", "")))
	f.Add(archive(f, link(tar.TypeSymlink, "l", "../.."), file("l/c", "y"), link(tar.TypeLink, "h", "l/c")))
	f.Add(archive(f, file("../x", "1")))
	f.Add(archive(f, file("d/.wh..wh..opq", ""), file("d", "x"), dir("d", 0)))
	f.Fuzz(func(t *testing.T, data []byte) {
		parent := t.TempDir()
		root := filepath.Join(parent, "root")
		if err := os.Mkdir(root, 0o700); err != nil {
			t.Fatal(err)
		}
		left := 1
		room := func() error {
			if left--; left < 0 {
				return errors.New("full")
			}
			return nil
		}
		_, _ = layer.Unpack(t.Context(), bytes.NewReader(data), root, layer.Options{Room: room})
		if others, err := os.ReadDir(parent); err != nil || len(others) != 1 || others[0].Name() != "root" {
			t.Errorf("beside the layer: got %v, %v, want it alone", others, err)
		}
	})
}
