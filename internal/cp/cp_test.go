package cp_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/maitred/maitred/internal/cp"
	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/driver/fake"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("internal/poll.runtime_pollWait"))
}

// world is an agent with a container that has some files, and a directory of this machine.
type world struct {
	t      *testing.T
	dir    string
	remote *cp.Remote
	files  cp.Files
}

// newWorld serves files, nil for those of a fake driver.
func newWorld(t *testing.T, files cp.Files) *world {
	t.Helper()
	if files == nil {
		d := fake.New(fake.Config{}).Connect()
		if _, err := d.Start(t.Context(), driver.Spec{ID: "c"}); err != nil {
			t.Fatal(err)
		}
		files = d
	}
	agent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = cp.Serve(w, r, files, "c") // whoever asked is told
	}))
	t.Cleanup(agent.Close)
	return &world{t: t, dir: t.TempDir(), remote: &cp.Remote{URL: agent.URL, Task: "t"}, files: files}
}

// fill gives the container and the machine the same files, from an archive.
func (w *world) fill(heads ...tar.Header) {
	w.t.Helper()
	for _, into := range []func() error{
		func() error {
			return w.files.CopyIn(w.t.Context(), "c", "/", driver.Copy{Archive: archive(w.t, heads...)})
		},
		func() error { // by the way of a container
			for _, h := range heads {
				name := filepath.Join(w.dir, h.Name)
				switch h.Typeflag {
				case tar.TypeDir:
					if err := os.MkdirAll(name, 0o755); err != nil {
						return err
					}
				case tar.TypeSymlink:
					if err := os.Symlink(h.Linkname, name); err != nil {
						return err
					}
				default:
					if err := os.WriteFile(name, []byte(h.Uname), 0o644); err != nil {
						return err
					}
				}
			}
			return nil
		},
	} {
		if err := into(); err != nil {
			w.t.Fatal(err)
		}
	}
}

// archive makes one of heads; the content of a file is its Uname.
func archive(t *testing.T, heads ...tar.Header) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	out := tar.NewWriter(&b)
	for _, h := range heads {
		text := h.Uname
		h.Uname, h.Size, h.Mode = "", int64(len(text)), 0o755
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		if err := out.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(out, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

// inside lists the files of an archive with their texts.
func inside(t *testing.T, r io.Reader) map[string]string {
	t.Helper()
	found := map[string]string{}
	for in := tar.NewReader(r); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		switch h.Typeflag {
		case tar.TypeReg:
			found[h.Name] = string(text)
		case tar.TypeSymlink:
			found[h.Name] = "-> " + h.Linkname
		}
	}
}

// container lists the files of the container below a directory.
func (w *world) container(dir string) map[string]string {
	w.t.Helper()
	var b bytes.Buffer
	if err := w.files.CopyOut(w.t.Context(), "c", dir, &b); err != nil {
		w.t.Fatal(err)
	}
	return inside(w.t, &b)
}

// machine lists the same of the machine.
func (w *world) machine(dir string) map[string]string {
	w.t.Helper()
	found := map[string]string{}
	top := filepath.Join(w.dir, dir)
	err := filepath.WalkDir(top, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, _ := filepath.Rel(top, path)
		if to, err := os.Readlink(path); err == nil {
			found[name] = "-> " + to
			return nil
		}
		text, err := os.ReadFile(path)
		found[name] = string(text)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return found
}

func dir(name string) tar.Header        { return tar.Header{Name: name, Typeflag: tar.TypeDir} }
func file(name, text string) tar.Header { return tar.Header{Name: name, Uname: text} }
func link(name, to string) tar.Header {
	return tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: to}
}

// rule is one of Docker's rules of where a copy goes, the same both ways ("docker container cp").
type rule struct {
	from, to string // below the directory with the files of TestRules
	follow   bool
	want     map[string]string // what is new or changed below to's top
	err      string            // a part of it
}

func rules() map[string]rule {
	return map[string]rule{
		"a file to a new name":                {from: "src/f", to: "dst/new", want: map[string]string{"new": "f"}},
		"a file over a file":                  {from: "src/f", to: "dst/old", want: map[string]string{"old": "f"}},
		"a file into a directory":             {from: "src/f", to: "dst/d", want: map[string]string{"d/f": "f"}},
		"a file into a directory, by a slash": {from: "src/f", to: "dst/d/", want: map[string]string{"d/f": "f"}},
		"a file over one in a directory":      {from: "src/x", to: "dst/d", want: map[string]string{"d/x": "srcx"}},
		"a file into what is no directory":    {from: "src/f", to: "dst/new/", err: "does not exist"},
		"a file by a slash over a file":       {from: "src/f", to: "dst/old/", err: "not a directory"},
		"a file below what is not there":      {from: "src/f", to: "dst/no/new", err: "dst/no does not exist"},
		"a file below a file":                 {from: "src/f", to: "dst/old/new", err: "not a directory"},
		"a file by a slash":                   {from: "src/f/", to: "dst/new", err: "not a directory"},
		"a file by a dot":                     {from: "src/f/.", to: "dst/new", err: "not a directory"},
		"a directory to a new name":           {from: "src/t", to: "dst/new", want: map[string]string{"new/a": "a", "new/u/b": "b"}},
		"a directory to a new name, slashes":  {from: "src/t/", to: "dst/new/", want: map[string]string{"new/a": "a", "new/u/b": "b"}},
		"contents to a new name":              {from: "src/t/.", to: "dst/new", want: map[string]string{"new/a": "a", "new/u/b": "b"}},
		"a directory into a directory":        {from: "src/t", to: "dst/d", want: map[string]string{"d/t/a": "a", "d/t/u/b": "b"}},
		"contents into a directory":           {from: "src/t/.", to: "dst/d", want: map[string]string{"d/a": "a", "d/u/b": "b"}},
		"a directory onto a file":             {from: "src/t", to: "dst/old", err: "not copied onto it"},
		"contents onto a file":                {from: "src/t/.", to: "dst/old", err: "not copied onto it"},
		"a directory below what is not there": {from: "src/t", to: "dst/no/new", err: "dst/no does not exist"},
		"a directory over a file in one":      {from: "src/t", to: "dst/taken", err: "a directory does not replace"},
		"a file over a directory in one":      {from: "src/x", to: "dst/full", err: "nothing else replaces a directory"},
		"what is not there":                   {from: "src/none", to: "dst/new", err: "src/none"},
		"a link":                              {from: "src/l", to: "dst/new", want: map[string]string{"new": "-> f"}},
		"a link, followed":                    {from: "src/l", to: "dst/d", follow: true, want: map[string]string{"d/l": "f"}},
		"a link to a directory":               {from: "src/ld", to: "dst/d", want: map[string]string{"d/ld": "-> t"}},
		"a link to a directory, followed":     {from: "src/ld", to: "dst/d", follow: true, want: map[string]string{"d/ld/a": "a", "d/ld/u/b": "b"}},
		"a link to a directory by a slash":    {from: "src/ld/", to: "dst/d", want: map[string]string{"d/ld/a": "a", "d/ld/u/b": "b"}},
		"the contents behind a link":          {from: "src/ld/.", to: "dst/d", want: map[string]string{"d/a": "a", "d/u/b": "b"}},
		"a link that leads nowhere":           {from: "src/nowhere", to: "dst/new", want: map[string]string{"new": "-> gone"}},
		"nowhere, followed":                   {from: "src/nowhere", to: "dst/new", follow: true, err: "src/"},
		"into a directory behind a link":      {from: "src/f", to: "dst/ld", want: map[string]string{"d/f": "f"}},
		"over a file behind a link":           {from: "src/f", to: "dst/l", want: map[string]string{"old": "f"}},
		"to where a link leads nowhere":       {from: "src/f", to: "dst/nowhere", err: "leads nowhere"},
	}
}

// TestRules copies by each rule, both ways.
func TestRules(t *testing.T) {
	t.Parallel()
	heads := []tar.Header{
		dir("src"), file("src/f", "f"), file("src/x", "srcx"), dir("src/t"), file("src/t/a", "a"), dir("src/t/u"), file("src/t/u/b", "b"),
		link("src/l", "f"), link("src/ld", "t"), link("src/nowhere", "gone"),
		dir("dst"), file("dst/old", "old"), dir("dst/d"), file("dst/d/x", "x"), dir("dst/taken"), file("dst/taken/t", "t"), dir("dst/full"), dir("dst/full/x"),
		file("dst/full/x/y", "y"), link("dst/l", "old"), link("dst/ld", "d"), link("dst/nowhere", "gone"),
	}
	for name, r := range rules() {
		for _, out := range []bool{true, false} {
			t.Run(name+map[bool]string{true: ", out", false: ", in"}[out], func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, nil)
				w.fill(heads...)
				before := w.container("/dst")
				o := cp.Options{Follow: r.follow}
				var err error
				var after map[string]string
				if out {
					err = cp.Out(t.Context(), w.remote, "/"+r.from, w.dir+"/"+r.to, o)
					after = w.machine("dst")
				} else {
					err = cp.In(t.Context(), w.remote, w.dir+"/"+r.from, "/"+r.to, o)
					after = w.container("/dst")
				}
				maps.Copy(before, r.want)
				if diff := cmp.Diff(before, after); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				if r.err == "" && err != nil || r.err != "" && (err == nil || !strings.Contains(err.Error(), r.err)) {
					t.Errorf("got error %v, want %q", err, r.err)
				}
			})
		}
	}
}

// TestStreams copies archives: they are named as a copy into a directory would be.
func TestStreams(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.fill(dir("t"), file("t/a", "a"), link("l", "t"))
	for from, want := range map[string]map[string]string{
		"/t": {"t/a": "a"}, "/t/": {"t/a": "a"}, "/t/.": {"a": "a"}, "/t/a": {"a": "a"}, "/l": {"l": "-> t"}, "/l/": {"l/a": "a"},
		"/": {"t/a": "a", "l": "-> t"},
	} {
		var b bytes.Buffer
		moved := 0
		o := cp.Options{Stdout: &b, Moved: func(n int) { moved += n }}
		if err := cp.Out(t.Context(), w.remote, from, cp.Stream, o); err != nil || moved == 0 {
			t.Errorf("%s: %v, %d bytes moved", from, err, moved)
		}
		if diff := cmp.Diff(want, inside(t, &b)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", from, diff)
		}
	}
	in := archive(t, file("t/b", "b"), file("c", "c"))
	if err := cp.In(t.Context(), w.remote, cp.Stream, "/l/..", cp.Options{Stdin: in}); err != nil {
		t.Errorf("In = %v", err)
	}
	if diff := cmp.Diff(map[string]string{"t/a": "a", "t/b": "b", "c": "c", "l": "-> t"}, w.container("/")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for to, stdin := range map[string]io.Reader{
		"/t/a": archive(t), "/none": archive(t), "/t": strings.NewReader(strings.Repeat("no archive", 99)), "/": archive(t, file("../x", "")),
	} {
		if err := cp.In(t.Context(), w.remote, cp.Stream, to, cp.Options{Stdin: stdin}); err == nil {
			t.Errorf("In of %s = nil, want an error", to)
		}
	}
}

// hostile is a container that answers with whatever archive it likes.
type hostile struct {
	cp.Files
	archive []byte
	err     error
}

func (h *hostile) Stat(context.Context, string, string) (driver.File, error) {
	return driver.File{Mode: os.ModeDir | 0o755}, nil
}

func (h *hostile) CopyOut(_ context.Context, _, _ string, to io.Writer) error {
	_, _ = to.Write(h.archive)
	return h.err
}

func (h *hostile) CopyIn(context.Context, string, string, driver.Copy) error {
	return errors.New("there is no room")
}

// TestHostile: what comes from a container writes nothing but what was asked for.
func TestHostile(t *testing.T) {
	t.Parallel()
	for name, heads := range map[string][]tar.Header{
		"up":             {file("../victim", "evil")},
		"beside":         {dir("."), file("a/../../victim", "evil")},
		"absolute":       {file("VICTIM", "evil")},
		"through a link": {dir("."), link("l", "OUTSIDE"), file("l/victim", "evil")},
		"link up":        {dir("."), link("l", "../.."), file("l/victim", "evil")},
		"hard link":      {dir("."), {Name: "h", Typeflag: tar.TypeLink, Linkname: "../victim"}, file("h", "evil")},
		"the link above": {link(".", "OUTSIDE"), file("victim", "evil")},
	} {
		for _, to := range []string{"got/new", "got", "got/link"} {
			outside := t.TempDir()
			if err := errors.Join(os.WriteFile(filepath.Join(outside, "victim"), []byte("well"), 0o600), os.Mkdir(filepath.Join(outside, "got"), 0o700),
				os.Mkdir(filepath.Join(outside, "got", "d"), 0o700), os.Symlink("d", filepath.Join(outside, "got", "link"))); err != nil {
				t.Fatal(err)
			}
			heads := append([]tar.Header{}, heads...)
			for i := range heads {
				heads[i].Linkname = strings.Replace(heads[i].Linkname, "OUTSIDE", outside, 1)
				heads[i].Name = strings.Replace(heads[i].Name, "VICTIM", outside+"/victim", 1)
			}
			w := newWorld(t, &hostile{archive: archive(t, heads...).Bytes()})
			if err := cp.Out(t.Context(), w.remote, "/x", filepath.Join(outside, to), cp.Options{}); err == nil {
				t.Errorf("%s to %s = nil, want an error", name, to)
			}
			text, _ := os.ReadFile(filepath.Join(outside, "victim"))
			entries, _ := os.ReadDir(outside)
			if string(text) != "well" || len(entries) != 2 {
				t.Errorf("%s to %s: the victim is %q and there are %v", name, to, text, entries)
			}
		}
	}
}

// TestBroken: an error of either end is the one that is told, and a file that was not sent whole is not there.
func TestBroken(t *testing.T) {
	t.Parallel()
	whole := archive(t, file(".", strings.Repeat("x", 5000))).Bytes()
	w := newWorld(t, &hostile{archive: whole[:3000], err: errors.New("the disk is gone")})
	err := cp.Out(t.Context(), w.remote, "/x", filepath.Join(w.dir, "x"), cp.Options{})
	if err == nil || err.Error() != "the disk is gone" || len(w.machine("")) > 0 {
		t.Errorf("Out = %v with %v here, want the container's error and no file", err, w.machine(""))
	}
	w = newWorld(t, &hostile{archive: whole[:3000]})
	if err := cp.Out(t.Context(), w.remote, "/x", filepath.Join(w.dir, "x"), cp.Options{}); err == nil || len(w.machine("")) > 0 {
		t.Errorf("Out of half an archive = %v with %v here, want an error and no file", err, w.machine(""))
	}
	if err := os.WriteFile(filepath.Join(w.dir, "big"), make([]byte, 3<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := cp.In(t.Context(), w.remote, w.dir, "/x", cp.Options{}); err == nil || err.Error() != "there is no room" {
		t.Errorf("In = %v, want the container's error", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := cp.In(ctx, w.remote, w.dir, "/x", cp.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("In whose context has ended = %v", err)
	}
	if err := cp.Out(t.Context(), w.remote, "/x", "/dev/null", cp.Options{}); err == nil || !strings.Contains(err.Error(), "neither a file nor") {
		t.Errorf("Out to a device = %v, want it refused", err)
	}
	if err := cp.Out(t.Context(), &cp.Remote{URL: "http://127.0.0.1:1", Task: "t"}, "/x", w.dir, cp.Options{}); err == nil {
		t.Error("Out of nobody = nil, want an error")
	}
}

func TestParseEnd(t *testing.T) {
	t.Parallel()
	const arn = "arn:aws:ecs:us-east-1:123456789012:task/default/0123456789abcdef"
	for text, want := range map[string]cp.End{
		"web:/etc":         {Task: "web", Path: "/etc"},
		"web:file":         {Task: "web", Path: "file"},
		"web:a:b":          {Task: "web", Path: "a:b"},
		"prod/web:/":       {Task: "prod/web", Path: "/"},
		arn + ":/etc/a:b":  {Task: arn, Path: "/etc/a:b"},
		"file":             {Path: "file"},
		"./web:/etc":       {Path: "./web:/etc"},
		"../web:/etc":      {Path: "../web:/etc"},
		"/web:/etc":        {Path: "/web:/etc"},
		".":                {Path: "."},
		"-":                {Path: "-"},
		"C:\\file":         {Task: "C", Path: "\\file"},
		"web:-":            {Task: "web", Path: "-"},
		"dir/with/file.go": {Path: "dir/with/file.go"},
	} {
		if got, err := cp.ParseEnd(text); err != nil || got != want {
			t.Errorf("ParseEnd(%q) = %+v, %v, want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", ":", ":/etc", "web:", arn, arn + ":", "arn:aws:ecs", "arn:"} {
		if got, err := cp.ParseEnd(text); err == nil {
			t.Errorf("ParseEnd(%q) = %+v, want an error", text, got)
		}
	}
}
