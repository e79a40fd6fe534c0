package main

import (
	stdbytes "bytes"
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
)

const (
	answerSize = 1 << 10
	bulkSize   = 100 << 20
	bulkPath   = "/bulk"
)

// backend is what proxies are put before: it answers 1 KiB, or bulkSize bytes for bulkPath. It writes its address first.
func backend(ctx context.Context) error {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	fmt.Println(l.Addr())
	small := answerOf(answerSize, strings.Repeat("x", answerSize))
	piece := make([]byte, 1<<20)
	for {
		c, err := l.Accept()
		if err != nil {
			return ctx.Err()
		}
		go serveBackend(c, small, piece)
	}
}

func answerOf(length int, body string) []byte {
	return []byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: " + strconv.Itoa(length) + "\r\n\r\n" + body)
}

// serveBackend ends with the connection. Requests have no bodies and come one at a time.
func serveBackend(c net.Conn, small, piece []byte) {
	defer c.Close()
	buf, n := make([]byte, 8<<10), 0
	for {
		m, err := c.Read(buf[n:])
		if n += m; err != nil || n == len(buf) {
			return
		}
		if !stdbytes.HasSuffix(buf[:n], []byte("\r\n\r\n")) {
			continue
		}
		head := buf[:n]
		n = 0
		if stdbytes.HasPrefix(head, []byte("GET "+bulkPath+" ")) {
			err = sendBulk(c, piece)
		} else {
			_, err = c.Write(small)
		}
		if err != nil || stdbytes.Contains(head, []byte("\nConnection: close\r")) {
			return
		}
	}
}

func sendBulk(c net.Conn, piece []byte) error {
	if _, err := c.Write(answerOf(bulkSize, "")); err != nil {
		return err
	}
	for sent := 0; sent < bulkSize; sent += len(piece) {
		if _, err := c.Write(piece); err != nil {
			return err
		}
	}
	return nil
}
