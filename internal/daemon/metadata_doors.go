package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/maitred/maitred/internal/metadata"
	"github.com/maitred/maitred/internal/network"
)

// doors are where the endpoints are reached: from the networks of containers, and from the machine's own one. One that
// cannot be had has no address.
type doors struct{ link, loopback metadata.Door }

// doorPorts are the ports of the last time: containers that outlive an agent were told them.
type doorPorts struct {
	Link     int `json:"link,omitempty"`
	Loopback int `json:"loopback,omitempty"`
}

// openDoor is a door that is listened at.
type openDoor struct {
	net.Listener
	door metadata.Door
}

// wellKnown is the port at which SDKs expect credentials.
const wellKnown = 80

// openDoors listens at the doors. Without the right to give this machine the link-local address there is none for
// containers with networks of their own, and a warning.
func (s *server) openDoors(ctx context.Context, e *endpoints) (open []openDoor, err error) {
	path := filepath.Join(s.cfg.DataDir, "metadata.ports")
	before := readPorts(path)
	loopback, err := s.openDoor(ctx, "127.0.0.1", before.Loopback, 0)
	if err != nil {
		return nil, fmt.Errorf("listen for the task metadata endpoint: %w", err)
	}
	open, e.doors.loopback = append(open, loopback), loopback.door
	now := doorPorts{Loopback: port(loopback)}
	if !e.plain {
		link, err := s.openLink(ctx, before.Link)
		if err != nil {
			s.cfg.Log.Warn("containers with networks of their own have no metadata endpoint and no credentials (root makes it)", "error", err)
			now.Link = before.Link
		} else {
			open, e.doors.link, now.Link = append(open, link), link.door, port(link)
		}
	}
	if now != before {
		err = writePorts(path, now)
	}
	if err != nil {
		for _, l := range open {
			err = errors.Join(err, l.Close())
		}
	}
	return open, err
}

// openLink listens at 169.254.170.2, on port 80 if no other maitred does.
func (s *server) openLink(ctx context.Context, before int) (openDoor, error) {
	if err := network.EnsureMetadataAddress(ctx); err != nil {
		return openDoor{}, err
	}
	return s.openDoor(ctx, network.MetadataAddress, before, wellKnown, 0)
}

// openDoor takes the first port that is free; 0 is any. The port of the last time comes first.
func (s *server) openDoor(ctx context.Context, host string, before int, ports ...int) (openDoor, error) {
	if before != 0 {
		ports = slices.Insert(ports, 0, before)
	}
	var config net.ListenConfig
	var problems []error
	for _, port := range ports {
		l, err := config.Listen(ctx, "tcp4", net.JoinHostPort(host, strconv.Itoa(port)))
		if err != nil {
			problems = append(problems, err)
			continue
		}
		if before != 0 && port != before {
			s.cfg.Log.Warn("the port of the task metadata endpoint is taken: tasks from before do not find it any more", "port", before)
		}
		address := l.Addr().String()
		return openDoor{l, metadata.Door{Address: address, WellKnown: host == network.MetadataAddress && port == wellKnown}}, nil
	}
	return openDoor{}, errors.Join(problems...)
}

func port(d openDoor) int {
	if a, ok := d.Addr().(*net.TCPAddr); ok {
		return a.Port
	}
	return 0
}

// readPorts gives the ports of the last time, zero if nothing is known of them: then others do, too.
func readPorts(path string) (p doorPorts) {
	text, err := os.ReadFile(path)
	if err != nil || json.Unmarshal(text, &p) != nil {
		return doorPorts{}
	}
	return p
}

func writePorts(path string, p doorPorts) error {
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		return fmt.Errorf("keep the ports of the task metadata endpoint: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("keep the ports of the task metadata endpoint: %w", err)
	}
	return nil
}
