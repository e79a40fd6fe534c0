package peer

import (
	"net"
	"sync"
)

// connections are those of a server that are open, those too that handlers have taken over and that http.Server has
// forgotten; and the handlers at work. So the server's end can end them all, and wait.
type connections struct {
	net.Listener
	mu       sync.Mutex
	open     map[*connection]struct{}
	over     bool
	handlers sync.WaitGroup
}

type connection struct {
	net.Conn
	of   *connections
	once sync.Once
}

// Accept implements net.Listener.
func (c *connections) Accept() (net.Conn, error) {
	raw, err := c.Listener.Accept()
	if err != nil {
		return nil, err
	}
	conn := &connection{Conn: raw, of: c}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		_ = raw.Close()
	} else {
		c.open[conn] = struct{}{}
	}
	return conn, nil
}

// Close implements net.Conn.
func (c *connection) Close() error {
	c.once.Do(func() {
		c.of.mu.Lock()
		delete(c.of.open, c)
		c.of.mu.Unlock()
	})
	return c.Conn.Close()
}

// begin notes that a handler begins, unless all shall end.
func (c *connections) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.over {
		c.handlers.Add(1)
	}
	return !c.over
}

// end closes all connections and waits for the handlers.
func (c *connections) end() {
	c.mu.Lock()
	c.over = true
	var open []net.Conn
	for conn := range c.open {
		open = append(open, conn.Conn)
	}
	c.mu.Unlock()
	for _, conn := range open {
		_ = conn.Close()
	}
	c.handlers.Wait()
}
