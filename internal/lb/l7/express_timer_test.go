package l7_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// once answers the first request of a connection and no other.
func once(answers string) func(net.Conn) {
	return func(c net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(c)); err != nil {
			return
		}
		_, _ = io.WriteString(c, fine)
		in := bufio.NewReader(c)
		if _, err := http.ReadRequest(in); err != nil {
			return
		}
		if answers != "" { // an empty write is one that a pipe tells of
			_, _ = io.WriteString(c, answers)
		}
		_, _ = io.Copy(io.Discard, in)
	}
}

// TestExpressEnds cuts requests off that are on the express way: the second ones of their connections.
func TestExpressEnds(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		answers string // what the target says to the request
		end     func(r *rig, c net.Conn)
		code    int // of the access log
		why     string
	}{
		{"nothing moves", "", func(*rig, net.Conn) {}, 504, errIdleText},
		{"the body stops", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", func(*rig, net.Conn) {}, 200, errIdleText},
		{"the head stops", "HTTP/1.1 200 OK\r\nContent-Le", func(*rig, net.Conn) {}, 504, errIdleText},
		{"the client leaves", "", func(_ *rig, c net.Conn) { _ = c.Close() }, 460, "the client left before it was answered"},
		{"the target is given up", "", func(r *rig, _ net.Conn) {
			for _, list := range r.targets {
				r.flights.Target(list[0].Path()).Quit()
			}
		}, 502, "the deregistration delay of the target is over"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			inTime(t, once(tt.answers), func(t *testing.T, r *rig, front *pipes) {
				c := front.dial()
				_, _ = io.WriteString(c, getHead+"\r\n")
				if code, _ := response(t, c); code != http.StatusOK {
					t.Fatalf("the first answer is %d", code)
				}
				synctest.Wait()
				_, _ = io.WriteString(c, getHead+"\r\n")
				pause(2 * time.Second)
				tt.end(r, c)
				_, _ = io.Copy(io.Discard, c)
				pause(time.Minute)
				_ = c.Close()
				synctest.Wait()
				r.mu.Lock()
				defer r.mu.Unlock()
				if len(r.log) != 2 || r.log[1].Code != tt.code || r.log[1].Error != tt.why {
					t.Errorf("the access log has %+v, want %d, %q", r.log, tt.code, tt.why)
				}
			})
		})
	}
}

const errIdleText = "nothing moved within the idle timeout"
