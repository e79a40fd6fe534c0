package image

import (
	"os"
	"path/filepath"
	"testing"
)

// TestWriteStatic pulls what was written, and again after the program has changed.
func TestWriteStatic(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	program := filepath.Join(dir, "web")
	store, err := Open(Config{Dir: filepath.Join(dir, "store")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	for _, text := range []string{"one", "two"} {
		if err := os.WriteFile(program, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := WriteStatic(filepath.Join(dir, "images"), "v", program); err != nil {
			t.Fatal(err)
		}
		img, err := store.Pull(t.Context(), Request{Ref: "oci:" + filepath.Join(dir, "images") + ":v"})
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(img.Layers[0], "web"))
		if err != nil || string(got) != text || img.Config.Entrypoint[0] != "/web" {
			t.Errorf("the image has %q (%v) and the entry point %v, want %q and /web", got, err, img.Config.Entrypoint, text)
		}
	}
}
