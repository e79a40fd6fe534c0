package docker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/moby/moby/client/pkg/versions"

	"github.com/maitred/maitred/internal/model"
)

// lan is the daemon's network in which tasks have their addresses: that of the whole VPC, whose range the machine's
// operator configured, so that the tasks of its subnets reach each other; of an address outside, that of its subnet.
type lan struct {
	name    string
	prefix  netip.Prefix
	gateway netip.Addr // the machine, as seen by the tasks
}

// lanOf finds the network of a task's attachment.
func (d *Driver) lanOf(a *model.Attachment) (lan, netip.Addr, error) {
	address, err := netip.ParseAddr(a.Address)
	if err != nil || !address.Is4() {
		return lan{}, netip.Addr{}, fmt.Errorf("the task's address %q is not IPv4", a.Address)
	}
	var l lan
	for _, p := range d.vpc {
		if p.Contains(address) {
			l.prefix, l.gateway = p.Masked(), p.Masked().Addr().Next() // a subnet's first address is never a task's
		}
	}
	if !l.prefix.IsValid() {
		l.prefix, err = address.Prefix(a.Prefix)
		if err == nil {
			l.gateway, err = netip.ParseAddr(a.Gateway)
		}
		if err != nil {
			return lan{}, netip.Addr{}, fmt.Errorf("the task's subnet: %w", err)
		}
	}
	l.name = d.prefix + "vpc-" + strings.ReplaceAll(l.prefix.String(), "/", "-")
	return l, address, nil
}

// makeLAN makes a network that is not there. It stays when the last task is gone, for the next one; see dropLANs.
func (d *Driver) makeLAN(ctx context.Context, l lan) error {
	d.mu.Lock()
	there := d.lans[l.name]
	d.mu.Unlock()
	if there {
		return nil
	}
	_, err := d.lanFlights.do(ctx, l.name, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, d.createLAN(ctx, l)
	})
	if err != nil {
		return fmt.Errorf("make Docker's network of %s: %w", l.prefix, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lans[l.name] = true
	return nil
}

func (d *Driver) createLAN(ctx context.Context, l lan) error {
	ctx, cancel := context.WithTimeout(ctx, d.limits.quick)
	defer cancel()
	_, err := d.client.NetworkInspect(ctx, l.name, client.NetworkInspectOptions{})
	if !errdefs.IsNotFound(err) {
		return err
	}
	_, err = d.client.NetworkCreate(ctx, l.name, client.NetworkCreateOptions{
		Driver: "bridge",
		IPAM:   &network.IPAM{Config: []network.IPAMConfig{{Subnet: l.prefix, Gateway: l.gateway}}},
		Labels: map[string]string{labelScope: d.scope},
	})
	if err == nil {
		return nil
	}
	if _, again := d.client.NetworkInspect(ctx, l.name, client.NetworkInspectOptions{}); again == nil {
		return nil // another process was faster
	}
	return err
}

// closeTimeout bounds what is cleared away at the end.
const closeTimeout = 5 * time.Second

// dropLANs removes the networks that no task uses: what is left would keep its range of addresses from others on this
// machine. The daemon refuses where a container is in one.
func (d *Driver) dropLANs() {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	found, err := d.client.NetworkList(ctx, client.NetworkListOptions{
		Filters: client.Filters{}.Add("label", labelScope+"="+d.scope),
	})
	if err != nil {
		d.log.Debug("the networks that nobody uses may be left", "error", err)
		return
	}
	for _, n := range found.Items {
		if _, err := d.client.NetworkRemove(ctx, n.ID, client.NetworkRemoveOptions{}); err != nil {
			d.log.Debug("a network stays", "network", n.Name, "error", err)
		}
	}
}

// lose forgets that a network is there.
func (d *Driver) lose(l lan) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.lans, l.name)
}

// endpoint is the place of a pause container in a network.
func endpoint(l lan, address netip.Addr, mac string) (*network.NetworkingConfig, error) {
	hardware, err := net.ParseMAC(mac)
	if err != nil && mac != "" {
		return nil, fmt.Errorf("the task's MAC: %w", err)
	}
	return &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{l.name: {
		IPAMConfig: &network.EndpointIPAMConfig{IPv4Address: address}, MacAddress: network.HardwareAddr(hardware),
	}}}, nil
}

// createWithMAC creates a container with a MAC address of its own. Before version 1.44 of the API that was a member of
// the container, which the client does not know any more.
func (d *Driver) createWithMAC(ctx context.Context, o client.ContainerCreateOptions, mac string) error {
	version := d.client.ClientVersion()
	if mac == "" || versions.GreaterThanOrEqualTo(version, "1.44") {
		_, err := d.client.ContainerCreate(ctx, o)
		return err
	}
	body, err := json.Marshal(struct {
		*container.Config
		HostConfig       *container.HostConfig
		NetworkingConfig *network.NetworkingConfig
		MacAddress       string
	}{o.Config, o.HostConfig, o.NetworkingConfig, mac})
	if err != nil {
		return err
	}
	target := "http://docker/v" + version + "/containers/create?" + url.Values{"name": {o.Name}}.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	dial := d.client.Dialer()
	transport := &http.Transport{
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
		DisableKeepAlives: true,
	}
	answer, err := transport.RoundTrip(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	return answerError(answer)
}

// answerError is the error of an answer, of the kinds that the client's calls return.
func answerError(answer *http.Response) error {
	if answer.StatusCode < http.StatusBadRequest {
		return nil
	}
	var said struct{ Message string }
	if err := json.NewDecoder(answer.Body).Decode(&said); err != nil || said.Message == "" {
		said.Message = answer.Status
	}
	switch answer.StatusCode {
	case http.StatusNotFound:
		return errdefs.ErrNotFound.WithMessage(said.Message)
	case http.StatusConflict:
		return errdefs.ErrConflict.WithMessage(said.Message)
	case http.StatusServiceUnavailable:
		return errdefs.ErrUnavailable.WithMessage(said.Message)
	}
	return errors.New(said.Message)
}
