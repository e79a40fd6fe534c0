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

// backend is what proxies are put before: it answers 1 KiB, or bulkSize bytes for bulkPath, at as many addresses as it is
// told to. It writes these first.
func backend(ctx context.Context, number string) error {
	n, err := strconv.Atoi(number)
	if err != nil {
		return err
	}
	var config net.ListenConfig
	var addresses []string
	var ends []func() error
	small, piece := answerOf(answerSize, strings.Repeat("x", answerSize)), make([]byte, 1<<20)
	for range n {
		l, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		addresses, ends = append(addresses, l.Addr().String()), append(ends, l.Close)
		go func() { // ends with the listener
			for c, err := l.Accept(); err == nil; c, err = l.Accept() {
				go serveBackend(c, small, piece)
			}
		}()
	}
	fmt.Println(strings.Join(addresses, " "))
	<-ctx.Done()
	for _, end := range ends {
		_ = end()
	}
	return nil
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
