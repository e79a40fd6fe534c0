package image_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/maitred/maitred/internal/image"
	"github.com/maitred/maitred/internal/testneeds"
)

// BenchmarkPull pulls and unpacks an image of 10 layers, 3,000 files and 60 MB from a registry in this process, and
// compares it with `tar -xz` of the same 10 archives one after another: the metric ×tar is how much of tar's time it takes.
// (The registry's own work counts against us; tar reads from the disk.)
func BenchmarkPull(b *testing.B) {
	tarProgram := testneeds.Command(b, "tar")
	testneeds.Command(b, "gzip")
	random := rand.NewChaCha8([32]byte{})
	var layers []map[string]string
	for l := range 10 {
		files := map[string]string{}
		for f := range 300 {
			data := make([]byte, 20_000)
			_, _ = random.Read(data[:5_000]) // the rest compresses away
			files[fmt.Sprintf("usr/lib/p%d/d%d/f%d", l, f%20, f)] = string(data)
		}
		layers = append(layers, files)
	}
	img := imageOf(b, layers...)
	reg := newServer(b)
	ref, _ := reg.push(b, "bench:1", img)
	archives := saveLayers(b, img)
	var ours, tars time.Duration
	for b.Loop() {
		start := time.Now()
		s, err := image.Open(configOf(b.TempDir()))
		if err != nil {
			b.Fatal(err)
		}
		pull(b, s, image.Request{Ref: ref})
		ours += time.Since(start)
		_ = s.Close()

		into := b.TempDir()
		start = time.Now()
		for _, a := range archives {
			if out, err := exec.CommandContext(b.Context(), tarProgram, "-xzf", a, "-C", into).CombinedOutput(); err != nil {
				b.Fatalf("%v: %s", err, out)
			}
		}
		tars += time.Since(start)
	}
	b.ReportMetric(float64(ours)/float64(tars), "×tar")
	b.ReportMetric(float64(ours.Milliseconds())/float64(b.N), "ms/pull")
	b.ReportMetric(float64(tars.Milliseconds())/float64(b.N), "ms/tar")
}

func saveLayers(b *testing.B, img v1.Image) []string {
	b.Helper()
	layers, err := img.Layers()
	if err != nil {
		b.Fatal(err)
	}
	var files []string
	for i, l := range layers {
		r, err := l.Compressed()
		if err != nil {
			b.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			b.Fatal(err)
		}
		files = append(files, filepath.Join(b.TempDir(), fmt.Sprintf("%d.tar.gz", i)))
		if err := os.WriteFile(files[i], data, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	return files
}

// BenchmarkPullAgain is what every start of a container pays whose image is here and given by its digest.
func BenchmarkPullAgain(b *testing.B) {
	reg := newServer(b)
	ref, digest := reg.push(b, "bench:1", imageOf(b, map[string]string{"a": "1"}))
	s := open(b, b.TempDir())
	pull(b, s, image.Request{Ref: ref})
	n := 0
	for b.Loop() {
		n++
		holder := fmt.Sprint("c", n)
		pull(b, s, image.Request{Ref: ref, Digest: digest, Holder: holder})
		if err := s.Unuse(holder); err != nil {
			b.Fatal(err)
		}
	}
}
