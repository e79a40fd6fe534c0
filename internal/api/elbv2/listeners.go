package elbv2

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/maitred/maitred/internal/api/wire"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

func (a *API) createListener(ctx context.Context, call control.Call, in *client.CreateListenerInput) (*client.CreateListenerOutput, error) {
	id := aws.ToString(in.LoadBalancerArn)
	switch {
	case id == "":
		return nil, null("loadBalancerArn")
	case in.Port == nil:
		return nil, invalid("A listener port must be specified")
	case in.Protocol == "":
		return nil, invalid("A listener protocol must be specified")
	}
	p, err := listenerPartIn(in.Port, in.Protocol, in.Certificates, in.AlpnPolicy, in.MutualAuthentication)
	if err != nil {
		return nil, err
	}
	l := model.Listener{Port: p.port, Protocol: p.protocol, Certificates: p.certificates, ALPN: p.alpn, SSLPolicy: aws.ToString(in.SslPolicy)}
	if l.Actions, err = actionsIn(in.DefaultActions); err != nil {
		return nil, err
	}
	if l.Tags, err = tagsIn(in.Tags); err != nil {
		return nil, err
	}
	var made *model.Listener
	if err := a.Update(ctx, func(tx *store.Tx) (err error) {
		made, err = control.CreateListener(tx, call, id, l)
		return err
	}); err != nil {
		return nil, err
	}
	return &client.CreateListenerOutput{Listeners: []elb.Listener{listenerOut(made)}}, nil
}

// listenerPart is what CreateListener and ModifyListener say in the same way.
type listenerPart struct {
	port         int
	protocol     string
	certificates []string // the default one, or none
	alpn         []string
}

func listenerPartIn(port *int32, protocol elb.ProtocolEnum, certificates []elb.Certificate, alpn []string, mutual *elb.MutualAuthenticationAttributes) (p listenerPart, err error) {
	if err := first(number("port", port, 1, portMax), checkEnum("protocol", protocol)); err != nil {
		return p, err
	}
	if slices.Contains([]elb.ProtocolEnum{elb.ProtocolEnumGeneve, elb.ProtocolEnumQuic, elb.ProtocolEnumTcpQuic}, protocol) {
		return p, wire.Errorf("UnsupportedProtocol", "Listeners with the protocol '%s' are not supported by this version of maitred", protocol)
	}
	if mutual != nil && aws.ToString(mutual.Mode) != "off" {
		return p, unsupported("Mutual authentication in the mode '"+aws.ToString(mutual.Mode)+"'", "clients are not asked for certificates; the mode off is served")
	}
	p = listenerPart{port: int(aws.ToInt32(port)), protocol: string(protocol)}
	if p.certificates, err = defaultCertificate(certificates); err != nil {
		return p, err
	}
	p.alpn, err = alpnIn(alpn)
	return p, err
}

// defaultCertificate reads the certificate of a secure listener.
func defaultCertificate(in []elb.Certificate) ([]string, error) {
	switch {
	case len(in) == 0:
		return nil, nil
	case len(in) > 1:
		return nil, invalid("Only one certificate can be specified; others are added with AddListenerCertificates")
	case in[0].IsDefault != nil:
		return nil, invalid("You cannot set IsDefault when specifying the default certificate of a listener")
	case aws.ToString(in[0].CertificateArn) == "":
		return nil, invalid("A certificate ARN must be specified")
	}
	return []string{*in[0].CertificateArn}, nil
}

// alpnIn reads the name of an ALPN policy; None is as good as none.
func alpnIn(in []string) ([]string, error) {
	known := []string{"HTTP1Only", "HTTP2Only", "HTTP2Optional", "HTTP2Preferred", "None"}
	switch {
	case len(in) > 1:
		return nil, invalid("Only one ALPN policy can be specified, got %d", len(in))
	case len(in) == 1 && !slices.Contains(known, in[0]):
		return nil, wire.Errorf("ALPNPolicyNotFound", "ALPN policy '%.100s' not found", in[0])
	}
	return in, nil
}

func (a *API) modifyListener(ctx context.Context, call control.Call, in *client.ModifyListenerInput) (*client.ModifyListenerOutput, error) {
	id := aws.ToString(in.ListenerArn)
	p, err := listenerPartIn(in.Port, in.Protocol, in.Certificates, in.AlpnPolicy, in.MutualAuthentication)
	if err := first(required("listenerArn", id), err); err != nil {
		return nil, err
	}
	var actions []model.Action
	if in.DefaultActions != nil {
		if actions, err = actionsIn(in.DefaultActions); err != nil {
			return nil, err
		}
	}
	var l *model.Listener
	if err := a.Update(ctx, func(tx *store.Tx) (err error) {
		l, err = control.ModifyListener(tx, call, id, func(l *model.Listener) error {
			p.apply(l)
			if in.SslPolicy != nil {
				l.SSLPolicy = *in.SslPolicy
			}
			if actions != nil {
				l.Actions = actions
			}
			return nil
		})
		return err
	}); err != nil {
		return nil, err
	}
	return &client.ModifyListenerOutput{Listeners: []elb.Listener{listenerOut(l)}}, nil
}

// apply changes what is given. A listener that becomes an unsecured one loses what only secure ones have, a TLS one that
// becomes another its ALPN policy.
func (p listenerPart) apply(l *model.Listener) {
	if p.port != 0 {
		l.Port = p.port
	}
	if p.protocol != "" {
		l.Protocol = p.protocol
		if p.protocol != "HTTPS" && p.protocol != "TLS" {
			l.Certificates, l.SSLPolicy = nil, ""
		}
		if p.protocol != "TLS" {
			l.ALPN = nil
		}
	}
	if p.certificates != nil {
		// The others of a listener are those that were added.
		added := l.Certificates
		if len(added) > 0 {
			added = added[1:]
		}
		l.Certificates = slices.Concat(p.certificates, slices.DeleteFunc(slices.Clone(added), func(c string) bool { return c == p.certificates[0] }))
	}
	if p.alpn != nil {
		l.ALPN = p.alpn
	}
}

func listenerOut(l *model.Listener) elb.Listener {
	out := elb.Listener{
		ListenerArn: aws.String(l.ARN), LoadBalancerArn: aws.String(l.LoadBalancer), Port: aws.Int32(int32(l.Port)),
		Protocol: elb.ProtocolEnum(l.Protocol), SslPolicy: given(l.SSLPolicy), DefaultActions: actionsOut(l.Actions), AlpnPolicy: l.ALPN,
	}
	if len(l.Certificates) > 0 {
		out.Certificates = []elb.Certificate{{CertificateArn: aws.String(l.Certificates[0])}}
	}
	if l.Protocol == "HTTPS" {
		out.MutualAuthentication = &elb.MutualAuthenticationAttributes{Mode: aws.String("off")}
	}
	return out
}

func (a *API) describeListeners(_ context.Context, call control.Call, in *client.DescribeListenersInput) (*client.DescribeListenersOutput, error) {
	v := a.Store.View()
	var list []*model.Listener
	switch id := aws.ToString(in.LoadBalancerArn); {
	case id != "" && len(in.ListenerArns) > 0:
		return nil, invalid("Listener ARNs and a load balancer ARN cannot be specified at the same time")
	case id != "":
		b, err := control.FindLoadBalancer(v, call, id)
		if err != nil {
			return nil, err
		}
		list = slices.Collect(v.Listeners(b.ARN))
	case len(in.ListenerArns) == 0:
		return nil, invalid("You must specify either listener ARNs or a load balancer ARN")
	}
	for _, id := range in.ListenerArns {
		l, _, err := control.FindListener(v, call, id)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(list, l) {
			list = append(list, l)
		}
	}
	list, next, err := page(call, list, func(l *model.Listener) string { return l.ARN }, in.Marker, in.PageSize,
		in.ListenerArns, []string{aws.ToString(in.LoadBalancerArn)})
	out := &client.DescribeListenersOutput{Listeners: []elb.Listener{}, NextMarker: next}
	for _, l := range list {
		out.Listeners = append(out.Listeners, listenerOut(l))
	}
	return out, err
}

func (a *API) deleteListener(ctx context.Context, call control.Call, in *client.DeleteListenerInput) (*client.DeleteListenerOutput, error) {
	id := aws.ToString(in.ListenerArn)
	if err := required("listenerArn", id); err != nil {
		return nil, err
	}
	err := a.Update(ctx, func(tx *store.Tx) error { return control.DeleteListener(tx, call, id) })
	return &client.DeleteListenerOutput{}, err
}

// certificatesIn reads certificates that are added or removed.
func certificatesIn(listener *string, in []elb.Certificate) (string, []string, error) {
	id := aws.ToString(listener)
	if err := required("listenerArn", id); err != nil {
		return "", nil, err
	}
	if len(in) == 0 {
		return "", nil, invalid("A certificate must be specified")
	}
	var list []string
	for _, c := range in {
		switch {
		case aws.ToString(c.CertificateArn) == "":
			return "", nil, invalid("A certificate ARN must be specified")
		case c.IsDefault != nil:
			return "", nil, invalid("You cannot set IsDefault when adding or removing certificates")
		}
		list = append(list, *c.CertificateArn)
	}
	return id, list, nil
}

func (a *API) addListenerCertificates(ctx context.Context, call control.Call, in *client.AddListenerCertificatesInput) (*client.AddListenerCertificatesOutput, error) {
	id, list, err := certificatesIn(in.ListenerArn, in.Certificates)
	if err != nil {
		return nil, err
	}
	if err := a.Update(ctx, func(tx *store.Tx) error {
		_, err := control.AddCertificates(tx, call, id, list)
		return err
	}); err != nil {
		return nil, err
	}
	out := &client.AddListenerCertificatesOutput{}
	for _, c := range list {
		out.Certificates = append(out.Certificates, elb.Certificate{CertificateArn: aws.String(c), IsDefault: aws.Bool(false)})
	}
	return out, nil
}

func (a *API) removeListenerCertificates(ctx context.Context, call control.Call, in *client.RemoveListenerCertificatesInput) (*client.RemoveListenerCertificatesOutput, error) {
	id, list, err := certificatesIn(in.ListenerArn, in.Certificates)
	if err != nil {
		return nil, err
	}
	err = a.Update(ctx, func(tx *store.Tx) error {
		_, err := control.RemoveCertificates(tx, call, id, list)
		return err
	})
	return &client.RemoveListenerCertificatesOutput{}, err
}

func (a *API) describeListenerCertificates(_ context.Context, call control.Call, in *client.DescribeListenerCertificatesInput) (*client.DescribeListenerCertificatesOutput, error) {
	id := aws.ToString(in.ListenerArn)
	if err := required("listenerArn", id); err != nil {
		return nil, err
	}
	l, _, err := control.FindListener(a.Store.View(), call, id)
	if err != nil {
		return nil, err
	}
	// The default one comes first.
	list, next, err := page(call, slices.Clone(l.Certificates), func(c string) string {
		if c == l.Certificates[0] {
			return " "
		}
		return c
	}, in.Marker, in.PageSize, []string{id})
	out := &client.DescribeListenerCertificatesOutput{Certificates: []elb.Certificate{}, NextMarker: next}
	for _, c := range list {
		out.Certificates = append(out.Certificates, elb.Certificate{CertificateArn: aws.String(c), IsDefault: aws.Bool(c == l.Certificates[0])})
	}
	return out, err
}
