package oci

import (
	"debug/elf"
	"path/filepath"
	"strings"
)

// loaders are where the programs that load 32-bit programs are: glibc's and musl's, for x86 and ARM.
func loaders() []string {
	return []string{"lib/ld-linux.so.2", "lib/ld-musl-i386.so.1", "lib/ld-linux-armhf.so.3", "lib/ld-musl-armhf.so.1"}
}

// runs32 says whether an image is made for 32-bit programs too: it has what loads them, or its program is one. Only then
// does the seccomp profile know a second set of system calls: a third of a container's start goes into working it out,
// and what no program of the image uses, nobody else should. A static 32-bit program that is not the container's first
// one is not found by this.
func runs32(layers []string, program string) bool {
	for _, name := range loaders() {
		if f, err := openInLayers(layers, name); err == nil && f != nil {
			_ = f.Close()
			return true
		}
	}
	if !filepath.IsAbs(program) {
		return false
	}
	f, err := openInLayers(layers, strings.TrimPrefix(filepath.Clean(program), "/"))
	if err != nil || f == nil {
		return false
	}
	defer func() { _ = f.Close() }()
	header, err := elf.NewFile(f)
	return err == nil && header.Class == elf.ELFCLASS32
}
