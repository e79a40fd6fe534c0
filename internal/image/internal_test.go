package image

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"pgregory.net/rapid"
)

func TestParse(t *testing.T) {
	t.Parallel()
	digest := "sha256:" + strings.Repeat("a", 64)
	for ref, want := range map[string]struct{ kind, text, host, digest string }{
		"nginx":                          {kindRegistry, "index.docker.io/library/nginx:latest", "docker.io", ""},
		"docker.io/nginx:1":              {kindRegistry, "index.docker.io/library/nginx:1", "docker.io", ""},
		"shop/web":                       {kindRegistry, "index.docker.io/shop/web:latest", "docker.io", ""},
		"public.ecr.aws/x/y:1":           {kindRegistry, "public.ecr.aws/x/y:1", "public.ecr.aws", ""},
		"localhost:5000/web":             {kindRegistry, "localhost:5000/web:latest", "localhost:5000", ""},
		"oci/web:1":                      {kindRegistry, "index.docker.io/oci/web:1", "docker.io", ""},
		"docker-archive":                 {kindRegistry, "index.docker.io/library/docker-archive:latest", "docker.io", ""},
		"[::1]:5000/web:1":               {kindRegistry, "[::1]:5000/web:1", "[::1]:5000", ""},
		"web@" + digest:                  {kindRegistry, "index.docker.io/library/web@" + digest, "docker.io", digest},
		"web:1@" + digest:                {kindRegistry, "index.docker.io/library/web@" + digest, "docker.io", digest},
		"oci:/a/b/../c:tag":              {kindLayout, "oci:/a/c:tag", "/a/c", ""},
		"oci:/a":                         {kindLayout, "oci:/a", "/a", ""},
		"docker-archive:/a.tar":          {kindDockerArchive, "docker-archive:/a.tar", "/a.tar", ""},
		"docker-archive:/a.tar:shop/x:1": {kindDockerArchive, "docker-archive:/a.tar:shop/x:1", "/a.tar", ""},
		"docker-daemon:shop/web:1":       {kindDockerDaemon, "docker-daemon:shop/web:1", "the Docker daemon", ""},
		"docker-daemon:web":              {kindDockerDaemon, "docker-daemon:web:latest", "the Docker daemon", ""},
		"docker-daemon:" + digest:        {kindDockerDaemon, "docker-daemon:" + digest, "the Docker daemon", ""},
	} {
		got, err := parse(ref)
		if err != nil {
			t.Errorf("%q: %v", ref, err)
			continue
		}
		if got.kind != want.kind || got.text != want.text || got.host() != want.host || got.digest != want.digest {
			t.Errorf("%q: got %s, %q at %s by %q, want %+v", ref, got.kind, got.text, got.host(), got.digest, want)
		}
	}
	for _, bad := range []string{
		"", " ", "UPPER/x", "a b", "x:", "x:" + strings.Repeat("t", 200), "x@sha256:12", "x:bad tag@" + digest, "oci:", "oci:x", "oci:./x",
		"oci:/x\x00y", "docker-archive:x.tar", "docker-daemon:", "docker-daemon:sha256:12", "docker-daemon:A B", "http://x/y", "../x",
	} {
		if got, err := parse(bad); err == nil {
			t.Errorf("%q: got %+v, want an error", bad, got)
		}
	}
}

// FuzzParse wants that every name that is understood is understood the same in its one form, and that no error shows
// what may be a password.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"nginx", "a.b:5/c/d:e@sha256:" + strings.Repeat("0", 64), "oci:/a:b", "docker-archive:/x:y:z", "docker-daemon:a/b:c",
		"user:secret@host/x", "https://u:secret@h/x@y", "[::1]:5000/x",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := parse(s)
		if err != nil {
			before, after, ok := strings.Cut(s, "@")
			if secret := before[strings.LastIndex(before, ":")+1:]; ok && len(secret) > 8 && !strings.HasPrefix(after, "sha256:") &&
				strings.Contains(err.Error(), ":"+secret) {
				t.Errorf("%q: the error %q shows what may be a password", s, err)
			}
			return
		}
		again, err := parse(r.text)
		if err != nil || again.text != r.text || again.kind != r.kind {
			t.Errorf("%q: got %+v, and of its text %q %+v, %v", s, r, r.text, again, err)
		}
	})
}

// TestVictims checks the choice of what goes against its rules.
func TestVictims(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		sizes := map[string]int64{}
		for i := range rapid.IntRange(0, 8).Draw(t, "layers") {
			sizes[fmt.Sprint("l", i)] = rapid.Int64Range(0, 100).Draw(t, "size")
		}
		ids := slices.Sorted(func(yield func(string) bool) {
			for id := range sizes {
				if !yield(id) {
					return
				}
			}
		})
		var images []candidate
		for i := range rapid.IntRange(0, 6).Draw(t, "images") {
			c := candidate{
				digest: fmt.Sprint("i", i), kept: rapid.Bool().Draw(t, "kept"),
				usedAt: time.Unix(rapid.Int64Range(0, 5).Draw(t, "used"), 0),
			}
			if len(ids) > 0 {
				c.layers = rapid.SliceOfN(rapid.SampledFrom(ids), 0, 5).Draw(t, "of")
			}
			images = append(images, c)
		}
		var pinned []string
		if len(ids) > 0 {
			pinned = rapid.SliceOfN(rapid.SampledFrom(ids), 0, 3).Draw(t, "pinned")
		}
		want := rapid.Int64Range(0, 500).Draw(t, "want")
		gone, layers, freed := victims(images, sizes, func(id string) bool { return slices.Contains(pinned, id) }, want)
		checkVictims(t, images, sizes, pinned, want, gone, layers, freed)

		slices.Reverse(images)
		gone2, layers2, freed2 := victims(images, sizes, func(id string) bool { return slices.Contains(pinned, id) }, want)
		if !slices.Equal(gone, gone2) || !slices.Equal(layers, layers2) || freed != freed2 {
			t.Errorf("in another order: got %v %v %d, want %v %v %d", gone2, layers2, freed2, gone, layers, freed)
		}
	})
}

func checkVictims(t *rapid.T, images []candidate, sizes map[string]int64, pinned []string, want int64, gone, layers []string, freed int64) {
	needed := map[string]bool{}
	var oldestLeft, newestGone time.Time
	for _, c := range images {
		if slices.Contains(gone, c.digest) {
			if c.kept {
				t.Errorf("%s went although it is kept", c.digest)
			}
			if c.usedAt.After(newestGone) {
				newestGone = c.usedAt
			}
			continue
		}
		for _, id := range c.layers {
			needed[id] = true
		}
		if !c.kept && (oldestLeft.IsZero() || c.usedAt.Before(oldestLeft)) {
			oldestLeft = c.usedAt
		}
	}
	if len(gone) > 0 && !oldestLeft.IsZero() && oldestLeft.Before(newestGone) {
		t.Errorf("one used at %v went before one used at %v", newestGone, oldestLeft)
	}
	var sum int64
	for id, size := range sizes {
		went := slices.Contains(layers, id)
		if went != (!needed[id] && !slices.Contains(pinned, id)) {
			t.Errorf("layer %s: went is %v, needed %v, pinned %v", id, went, needed[id], slices.Contains(pinned, id))
		}
		if went {
			sum += size
		}
	}
	if sum != freed || len(layers) != len(distinct(layers)) {
		t.Errorf("got %d bytes of %v, want %d", freed, layers, sum)
	}
	if freed < want && !oldestLeft.IsZero() {
		t.Errorf("got %d of %d bytes, and an image that nobody uses is left", freed, want)
	}
}

func TestMissing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.Int64Range(0, 1<<50).Draw(t, "size")
		free := rapid.Int64Range(0, size).Draw(t, "free")
		got := missing(FileSystem{Size: size, Free: free}, 0.85, 0.80)
		used := float64(size - free)
		switch {
		case got == 0 && used > 0.85*float64(size):
			t.Errorf("%d of %d are free: got nothing, want some", free, size)
		case got > 0 && used <= 0.85*float64(size):
			t.Errorf("%d of %d are free: got %d, want nothing", free, size, got)
		case got < 0:
			t.Errorf("got %d", got)
		}
	})
}

func TestPickPlatform(t *testing.T) {
	t.Parallel()
	of := func(s string) v1.Descriptor {
		if s == "" {
			return v1.Descriptor{ArtifactType: s}
		}
		p, err := v1.ParsePlatform(s)
		if err != nil {
			t.Fatal(err)
		}
		return v1.Descriptor{ArtifactType: s, Platform: p}
	}
	for _, c := range []struct {
		have []string
		want string
		got  string // "" for an error
	}{
		{[]string{"linux/arm64", "linux/amd64"}, "linux/amd64", "linux/amd64"},
		{[]string{"linux/amd64/v3", "linux/amd64", "linux/amd64/v2"}, "linux/amd64", "linux/amd64"},
		{[]string{"linux/amd64/v3", "linux/amd64/v2"}, "linux/amd64", "linux/amd64/v3"},
		{[]string{"linux/arm/v6", "linux/arm/v7"}, "linux/arm/v7", "linux/arm/v7"},
		{[]string{"linux/arm64/v8"}, "linux/arm64", "linux/arm64/v8"},
		{[]string{"unknown/unknown", "linux/amd64"}, "linux/amd64", "linux/amd64"},
		{[]string{"windows/amd64", "unknown/unknown"}, "linux/amd64", ""},
		{nil, "linux/amd64", ""},
	} {
		var list []v1.Descriptor
		for _, h := range c.have {
			list = append(list, of(h))
		}
		want := of(c.want)
		got, err := pickPlatform(list, *want.Platform)
		if diff := cmp.Diff(c.got, got.ArtifactType); diff != "" || (err == nil) != (c.got != "") {
			t.Errorf("%s of %v: error %v (-want +got):\n%s", c.want, c.have, err, diff)
		}
	}
}
