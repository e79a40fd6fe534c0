package docker

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// A pause container holds the namespaces that the containers of a task share. Its program does nothing but wait, and
// lets the kernel bury the processes of which it is the parent, in whose process namespace it is the first. It is made
// here, of these instructions, so that nothing has to be pulled or built for it.
//
//	rt_sigaction(SIGCHLD, {SIG_IGN}, NULL, 8); for (;;) pause();
//
// As the first process of its namespace it has no default signal handlers: it ends by SIGKILL alone.

// pauseCode is the program by machine ("Arch" of the daemon's version), each with the action of 32 bytes at its end.
func pauseCode(arch string) (machine elf.Machine, code []byte, err error) {
	switch arch {
	case "amd64":
		return elf.EM_X86_64, []byte{
			0xb8, 13, 0, 0, 0, //                mov  eax, rt_sigaction
			0xbf, 17, 0, 0, 0, //                mov  edi, SIGCHLD
			0x48, 0x8d, 0x35, 19, 0, 0, 0, //    lea  rsi, [rip+19] (the action)
			0x31, 0xd2, //                       xor  edx, edx
			0x41, 0xba, 8, 0, 0, 0, //           mov  r10d, 8
			0x0f, 0x05, //                       syscall
			0xb8, 34, 0, 0, 0, //          loop: mov  eax, pause
			0x0f, 0x05, //                       syscall
			0xeb, 0xf7, //                       jmp  loop
		}, nil
	case "arm64":
		return elf.EM_AARCH64, words(
			0xd2800220, //       mov  x0, #SIGCHLD
			0x100001a1, //       adr  x1, +52 (the action)
			0xd2800002, //       mov  x2, #0
			0xd2800103, //       mov  x3, #8
			0xd28010c8, //       mov  x8, #rt_sigaction
			0xd4000001, //       svc  #0
			0xd2800000, // loop: mov  x0, #0
			0xd2800001, //       mov  x1, #0
			0xd2800002, //       mov  x2, #0
			0xd2800003, //       mov  x3, #0
			0xd2800004, //       mov  x4, #0
			0xd2800928, //       mov  x8, #ppoll
			0xd4000001, //       svc  #0
			0x17fffff9, //       b    loop
		), nil
	}
	return 0, nil, fmt.Errorf("there is no pause program for a Docker on %s, only for amd64 and arm64", arch)
}

// words are instructions of four bytes.
func words(list ...uint32) []byte {
	var code []byte
	for _, w := range list {
		code = binary.LittleEndian.AppendUint32(code, w)
	}
	return code
}

// pauseProgram is a static program: a header, one segment, the instructions, the action.
func pauseProgram(arch string) ([]byte, error) {
	const (
		base   = 0x400000
		header = 64
		entry  = header + 56 // after the one program header
	)
	machine, code, err := pauseCode(arch)
	if err != nil {
		return nil, err
	}
	action := [4]uint64{1} // SIG_IGN, no flags, no restorer, no mask
	size := uint64(entry + len(code) + binary.Size(action))
	var file bytes.Buffer
	for _, part := range []any{
		elf.Header64{
			Ident: [elf.EI_NIDENT]byte{
				0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT),
			},
			Type: uint16(elf.ET_EXEC), Machine: uint16(machine), Version: uint32(elf.EV_CURRENT),
			Entry: base + entry, Phoff: header, Ehsize: header, Phentsize: 56, Phnum: 1,
		},
		elf.Prog64{
			Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_X),
			Vaddr: base, Paddr: base, Filesz: size, Memsz: size, Align: 0x1000,
		},
		code, action,
	} {
		if err := binary.Write(&file, binary.LittleEndian, part); err != nil {
			return nil, err
		}
	}
	return file.Bytes(), nil
}

// pauseImage is the name of the image of a pause program, and the image as a root directory in a tar.
func pauseImage(arch string) (name string, archive []byte, err error) {
	program, err := pauseProgram(arch)
	if err != nil {
		return "", nil, err
	}
	sum := sha256.Sum256(program)
	var file bytes.Buffer
	w := tar.NewWriter(&file)
	if err := w.WriteHeader(&tar.Header{Name: "pause", Mode: 0o755, Size: int64(len(program))}); err != nil {
		return "", nil, err
	}
	if _, err := w.Write(program); err != nil {
		return "", nil, err
	}
	if err := w.Close(); err != nil {
		return "", nil, err
	}
	return "maitred-pause:" + hex.EncodeToString(sum[:6]), file.Bytes(), nil
}
