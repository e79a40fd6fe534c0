package drivertest

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/tree"
)

// fileCases are those of copies into and out of containers.
func fileCases() []testCase {
	return []testCase{
		{"files are copied in and out", copies, copyBoth},
		{"a copied file's owner", copies, copyOwners},
		{"a copy replaces files and adds to directories", copies, copyOver},
		{"a copy of what is not there", copies, copyAbsent},
		{"links lead nowhere but in the container", rooted, copyLinks},
		{"an archive that leads outside", copies, copyHostile},
		{"a long copy that is cut short", copies, copyCut},
		{"a copy of the kernel's files", rooted, copyKernel},
		{"a copy of what has ended", copies, copyEnded},
	}
}

func copies(h Harness) bool { return h.Dir != "" }

// rooted is for containers that have a root of their own.
func rooted(h Harness) bool { return h.Dir != "" && !h.Processes }

// packed makes an archive of heads; the content of a file is its Uname.
func (b *bench) packed(heads ...tar.Header) io.Reader {
	b.t.Helper()
	var text bytes.Buffer
	w := tar.NewWriter(&text)
	for _, h := range heads {
		content := h.Uname
		h.Uname, h.Size, h.ModTime = "", int64(len(content)), time.Unix(1_000_000_000, 0)
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		err := w.WriteHeader(&h)
		if err == nil {
			_, err = io.WriteString(w, content)
		}
		if err != nil {
			b.t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		b.t.Fatal(err)
	}
	return &text
}

// room starts the container a and makes a directory for a case in it.
func (b *bench) room(name string) string {
	b.t.Helper()
	b.start(b.spec("a", "sleep"))
	base := b.h.Dir
	b.copyIn(base, tar.Header{Name: name, Typeflag: tar.TypeDir, Mode: 0o755})
	return path.Join(base, name)
}

// copyIn copies what must go in.
func (b *bench) copyIn(dir string, heads ...tar.Header) {
	b.t.Helper()
	if err := b.d.CopyIn(b.ctx, "a", dir, driver.Copy{Archive: b.packed(heads...)}); err != nil {
		b.t.Fatalf("CopyIn(%s) = %v", dir, err)
	}
}

// copyOut tells what a copy out of a path has, an entry a line.
func (b *bench) copyOut(name string) []string {
	b.t.Helper()
	var text bytes.Buffer
	if err := b.d.CopyOut(b.ctx, "a", name, &text); err != nil {
		b.t.Fatalf("CopyOut(%s) = %v", name, err)
	}
	var found []string
	for r := tar.NewReader(&text); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			b.t.Fatalf("the archive of %s: %v", name, err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			b.t.Fatal(err)
		}
		found = append(found, strings.TrimSpace(fmt.Sprintf("%c %s %o %s%s", h.Typeflag, path.Clean(h.Name), h.Mode, h.Linkname, content)))
	}
	slices.Sort(found)
	return found
}

func copyBoth(b *bench) {
	room := b.room("both")
	b.copyIn(room,
		tar.Header{Name: "d/", Typeflag: tar.TypeDir, Mode: 0o750},
		tar.Header{Name: "d/file", Uname: "text", Mode: 0o640}, tar.Header{Name: "d/empty"},
		tar.Header{Name: "d/link", Typeflag: tar.TypeSymlink, Linkname: "/nowhere/../at/all", Mode: 0o777},
		tar.Header{Name: "above/file", Uname: strings.Repeat("long", 100_000)})
	b.equal("a directory", b.copyOut(room+"/d"), []string{
		"0 empty 644", "0 file 640 text", "2 link 777 /nowhere/../at/all", "5 . 750",
	})
	b.equal("a file", b.copyOut(room+"/d/file"), []string{"0 . 640 text"})
	b.equal("a link", b.copyOut(room+"/d/link"), []string{"2 . 777 /nowhere/../at/all"})
	b.equal("a long file", b.copyOut(room+"/above/file"), []string{"0 . 644 " + strings.Repeat("long", 100_000)})
	for name, want := range map[string]driver.File{
		"d":          {Mode: fs.ModeDir | 0o750},
		"d/":         {Mode: fs.ModeDir | 0o750},
		"d/file":     {Mode: 0o640, Size: 4},
		"d/../d/./x": {},
	} {
		f, err := b.d.Stat(b.ctx, "a", room+"/"+name)
		if want.Mode == 0 {
			if !errors.Is(err, fs.ErrNotExist) {
				b.t.Errorf("Stat(%s) = %v, want that it does not exist", name, err)
			}
			continue
		}
		if err != nil || !f.Modified.Equal(time.Unix(1_000_000_000, 0)) {
			b.t.Errorf("Stat(%s) = %+v, %v, want the time of the archive", name, f, err)
		}
		f.Modified = time.Time{}
		b.equal("Stat of "+name, f, want)
	}
}

// copyOwners keeps ids when it is told to, and else gives everything to the container's root. Only root can.
func copyOwners(b *bench) {
	if os.Geteuid() != 0 {
		b.t.Skip("only root gives files away")
	}
	room := b.room("owners")
	heads := []tar.Header{{Name: "d", Typeflag: tar.TypeDir, Uid: 12, Gid: 34}, {Name: "d/f", Mode: 0o6755, Uid: 56, Gid: 78}}
	for _, owners := range []bool{false, true} {
		if err := b.d.CopyIn(b.ctx, "a", room, driver.Copy{Archive: b.packed(heads...), Owners: owners}); err != nil {
			b.t.Fatalf("CopyIn = %v", err)
		}
		var text bytes.Buffer
		if err := b.d.CopyOut(b.ctx, "a", room+"/d", &text); err != nil {
			b.t.Fatal(err)
		}
		r := tar.NewReader(&text)
		d, err := r.Next()
		f, err2 := r.Next()
		if err := errors.Join(err, err2); err != nil {
			b.t.Fatal(err)
		}
		got := fmt.Sprintln(d.Uid, d.Gid, f.Uid, f.Gid, f.Mode&0o6000 != 0)
		b.equal(fmt.Sprint("with owners ", owners), got, map[bool]string{false: "0 0 0 0 false\n", true: "12 34 56 78 true\n"}[owners])
	}
}

func copyOver(b *bench) {
	room := b.room("over")
	b.copyIn(room, tar.Header{Name: "d/old", Uname: "old"}, tar.Header{Name: "d/both", Uname: "old"}, tar.Header{Name: "f", Uname: "old"},
		tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "f"})
	b.copyIn(room, tar.Header{Name: "./", Typeflag: tar.TypeDir, Mode: 0o700}, tar.Header{Name: "d", Typeflag: tar.TypeDir, Mode: 0o755},
		tar.Header{Name: "d/both", Uname: "new"}, tar.Header{Name: "l", Uname: "new"})
	b.equal("all", b.copyOut(room), []string{
		"0 d/both 644 new", "0 d/old 644 old", "0 f 644 old", "0 l 644 new", "5 . 755", "5 d 755",
	})
	for name, heads := range map[string][]tar.Header{
		"a file onto a directory": {{Name: "d", Uname: "x"}},
		"a directory onto a file": {{Name: "f", Typeflag: tar.TypeDir, Mode: 0o755}},
	} {
		if err := b.d.CopyIn(b.ctx, "a", room, driver.Copy{Archive: b.packed(heads...)}); err == nil {
			b.t.Errorf("CopyIn of %s = nil, want an error", name)
		}
	}
	err := b.d.CopyIn(b.ctx, "a", room, driver.Copy{Archive: b.packed(
		tar.Header{Name: "null", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3}, tar.Header{Name: "pipe", Typeflag: tar.TypeFifo},
		tar.Header{Name: "last", Uname: "x"})})
	if left, ok := errors.AsType[*tree.LeftOutError](err); !ok || len(left.Names) != 2 {
		b.t.Errorf("CopyIn of a device and a pipe = %v, want that they were left out", err)
	}
	b.equal("what came behind them", b.copyOut(room+"/last"), []string{"0 . 644 x"})
}

func copyAbsent(b *bench) {
	room := b.room("absent")
	b.copyIn(room, tar.Header{Name: "f", Uname: "x"})
	for _, name := range []string{"none", "none/none", "f/none"} {
		if _, err := b.d.Stat(b.ctx, "a", room+"/"+name); err == nil {
			b.t.Errorf("Stat(%s) = nil, want an error", name)
		}
		if err := b.d.CopyOut(b.ctx, "a", room+"/"+name, io.Discard); err == nil {
			b.t.Errorf("CopyOut(%s) = nil, want an error", name)
		}
		if err := b.d.CopyIn(b.ctx, "a", room+"/"+name, driver.Copy{Archive: b.packed()}); err == nil {
			b.t.Errorf("CopyIn(%s) = nil, want an error", name)
		}
	}
	if err := b.d.CopyOut(b.ctx, "a", room+"/none", io.Discard); !errors.Is(err, fs.ErrNotExist) {
		b.t.Errorf("CopyOut of what is not there = %v, want fs.ErrNotExist", err)
	}
	if err := b.d.CopyIn(b.ctx, "a", room+"/f", driver.Copy{Archive: b.packed()}); err == nil {
		b.t.Error("CopyIn into a file = nil, want an error")
	}
	if err := b.d.CopyIn(b.ctx, "a", room, driver.Copy{Archive: strings.NewReader(strings.Repeat("no archive ", 100))}); err == nil {
		b.t.Error("CopyIn of what is no archive = nil, want an error")
	}
}

// copyLinks has links in the container that lead to where this machine has a file: they lead to the container's.
func copyLinks(b *bench) {
	outside := b.t.TempDir()
	secret := filepath.Join(outside, "secret")
	if err := os.WriteFile(secret, []byte("the machine's"), 0o644); err != nil { //nolint:gosec // whoever a driver copies as could read it
		b.t.Fatal(err)
	}
	room := b.room("links")
	up := strings.Repeat("../", 20)
	b.copyIn("/", tar.Header{Name: strings.TrimPrefix(secret, "/"), Uname: "the container's"})
	for name, to := range map[string]string{
		"absolute": secret, "up": up + secret, "twice": "up", "dir": outside, "updir": up + outside, "circle": "circle",
	} { // into the root, for Docker's daemon takes no link that leads out of the directory that it unpacks into
		b.copyIn("/", tar.Header{Name: strings.TrimPrefix(room, "/") + "/" + name, Typeflag: tar.TypeSymlink, Linkname: to})
	}
	for _, name := range []string{"absolute", "up", "twice"} {
		f, err := b.d.Stat(b.ctx, "a", room+"/"+name)
		if err != nil || f.Target != secret {
			b.t.Errorf("Stat(%s) = %+v, %v, want the target %s", name, f, err, secret)
		}
	}
	for _, name := range []string{"dir/secret", "updir/secret", up + room + "/dir/secret"} {
		if name[0] != '.' {
			name = room + "/" + name
		}
		b.equal(name, b.copyOut(name), []string{"0 . 644 the container's"})
	}
	for _, dir := range []string{"dir", "updir"} {
		b.copyIn(room+"/"+dir, tar.Header{Name: dir, Uname: "written"}, tar.Header{Name: "secret", Uname: "changed"})
	}
	if _, err := b.d.Stat(b.ctx, "a", room+"/circle/x"); err == nil {
		b.t.Error("Stat through a link in a circle = nil, want an error")
	}
	names, err := os.ReadDir(outside)
	text, _ := os.ReadFile(secret)
	if err != nil || len(names) != 1 || string(text) != "the machine's" {
		b.t.Errorf("the machine's directory has %v and its file says %q, want both unchanged", names, text)
	}
	b.equal("what was written", b.copyOut(outside+"/updir"), []string{"0 . 644 written"})
}

// copyHostile unpacks what would get out of the directory.
func copyHostile(b *bench) {
	room := b.room("hostile")
	b.copyIn(room, tar.Header{Name: "in", Typeflag: tar.TypeDir, Mode: 0o755}, tar.Header{Name: "victim", Uname: "well"})
	for name, heads := range map[string][]tar.Header{
		"up":              {{Name: "../victim", Uname: "evil"}},
		"up from below":   {{Name: "a/../../victim", Uname: "evil"}},
		"absolute":        {{Name: room + "/victim", Uname: "evil"}},
		"a hard link up":  {{Name: "h", Typeflag: tar.TypeLink, Linkname: "../victim"}},
		"a file as whole": {{Name: ".", Uname: "evil"}},
	} {
		if err := b.d.CopyIn(b.ctx, "a", room+"/in", driver.Copy{Archive: b.packed(heads...)}); err == nil {
			b.t.Errorf("CopyIn of an archive with %s = nil, want an error", name)
		}
	}
	b.equal("what is there", b.copyOut(room), []string{"0 victim 644 well", "5 . 755", "5 in 755"})
}

// copyCut ends copies whose other end does nothing.
func copyCut(b *bench) {
	room := b.room("cut")
	b.copyIn(room, tar.Header{Name: "f", Uname: strings.Repeat("x", 4<<20)})
	ctx, cancel := context.WithCancel(b.ctx)
	r, w := io.Pipe()
	result := make(chan error, 1)
	go func() { result <- b.d.CopyOut(ctx, "a", room, w) }()
	if _, err := r.Read(make([]byte, 64)); err != nil {
		b.t.Fatal(err)
	}
	cancel()
	_ = r.Close()
	if err := <-result; err == nil {
		b.t.Error("CopyOut that nobody reads = nil, want an error")
	}
	text, err := io.ReadAll(b.packed(tar.Header{Name: "g", Uname: strings.Repeat("x", 1<<20)}))
	if err != nil {
		b.t.Fatal(err)
	}
	if err := b.d.CopyIn(b.ctx, "a", room, driver.Copy{Archive: bytes.NewReader(text[:len(text)/2])}); err == nil {
		b.t.Error("CopyIn of half an archive = nil, want an error")
	}
}

// copyKernel refuses what the kernel makes up, and passes by it in a directory.
func copyKernel(b *bench) {
	if b.h.NoStreams {
		b.t.Skip("there is no kernel")
	}
	b.start(b.spec("a", "sleep"))
	for _, name := range []string{"/proc/self/environ", "/proc/1/root", "/sys/kernel"} {
		var text bytes.Buffer
		err := b.d.CopyOut(b.ctx, "a", name, &text)
		if bytes.Contains(text.Bytes(), []byte("PATH=")) || err == nil && name == "/proc/self/environ" {
			b.t.Errorf("CopyOut(%s) = %v, %d bytes, want nothing of the kernel's", name, err, text.Len())
		}
	}
	for _, line := range b.copyOut("/") {
		if strings.HasPrefix(line, "0 proc/") || strings.HasPrefix(line, "0 sys/") {
			b.t.Errorf("the root's archive has %s, want nothing of the kernel's", line)
		}
	}
}

// copyEnded: either the files are there, or an error says why not.
func copyEnded(b *bench) {
	room := b.room("ended")
	b.copyIn(room, tar.Header{Name: "f", Uname: "x"})
	b.kill("a")
	b.awaitEnd("a")
	var text bytes.Buffer
	err := b.d.CopyOut(b.ctx, "a", room+"/f", &text)
	_, statErr := b.d.Stat(b.ctx, "a", room+"/f")
	inErr := b.d.CopyIn(b.ctx, "a", room, driver.Copy{Archive: b.packed(tar.Header{Name: "g", Uname: "y"})})
	for what, err := range map[string]error{"CopyOut": err, "Stat": statErr, "CopyIn": inErr} {
		if b.h.KeepsFiles != (err == nil) || errors.Is(err, fs.ErrNotExist) {
			b.t.Errorf("%s of what has ended = %v, want the files (%t) or that it does not run", what, err, b.h.KeepsFiles)
		}
	}
	if err := b.d.CopyOut(b.ctx, "never", "/", io.Discard); err == nil {
		b.t.Error("CopyOut of what never was = nil, want an error")
	}
}
