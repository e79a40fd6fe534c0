package image

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// registry is a repository of a registry as the source of an image. The handshake and the tokens are
// go-containerregistry's; the requests are made here, for downloads that break off have to go on where they were.
type registry struct {
	ref      name.Reference
	auth     authn.Authenticator
	platform v1.Platform
	wait     time.Duration // before a broken download is tried again
	base     http.RoundTripper
	client   *http.Client // nil before the first request
	root     url.URL      // of the repository
}

func (s *Store) registry(ref reference, login *Login) (*registry, error) {
	n := ref.name
	if slices.Contains(s.cfg.Insecure, n.Context().RegistryStr()) {
		var err error
		if n, err = name.ParseReference(ref.text, name.Insecure); err != nil {
			return nil, err
		}
	}
	r := &registry{
		ref: n, platform: *s.cfg.Platform, wait: s.cfg.Retry,
		base: &guard{inner: s.http, insecure: s.cfg.Insecure, idle: s.cfg.Idle},
	}
	if login != nil {
		r.auth = &authn.Basic{Username: login.Username, Password: login.Password}
		return r, nil
	}
	auth, err := s.cfg.Keychain.Resolve(n.Context())
	if err != nil {
		return nil, fmt.Errorf("credentials of %s: %w", ref.host(), err)
	}
	r.auth = auth
	return r, nil
}

// connect shakes hands: which scheme, and which kind of credentials.
func (r *registry) connect(ctx context.Context) error {
	if r.client != nil {
		return nil
	}
	repo := r.ref.Context()
	retrying := transport.NewRetry(r.base, transport.WithRetryStatusCodes(http.StatusRequestTimeout, http.StatusTooManyRequests,
		http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout))
	retrying = transport.NewUserAgent(retrying, "maitred")
	t, err := transport.NewWithContext(ctx, repo.Registry, r.auth, retrying, []string{repo.Scope(transport.PullScope)})
	if err != nil {
		return err
	}
	r.client = &http.Client{Transport: t, CheckRedirect: redirect}
	r.root = url.URL{Scheme: repo.Scheme(), Host: repo.RegistryStr(), Path: "/v2/" + repo.RepositoryStr()}
	return nil
}

func (r *registry) close() {}

func (r *registry) do(ctx context.Context, method, path string, header http.Header, ok ...int) (*http.Response, error) {
	if err := r.connect(ctx); err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, r.root.JoinPath(path).String(), http.NoBody)
	if err != nil {
		return nil, err
	}
	req.Header = header
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, err
	}
	if err := transport.CheckError(resp, ok...); err != nil {
		_ = resp.Body.Close()
		return nil, err
	}
	return resp, nil
}

// manifestTypes are the manifests that are asked for.
func manifestTypes() http.Header {
	return http.Header{"Accept": {
		string(types.OCIImageIndex), string(types.OCIManifestSchema1), string(types.DockerManifestList),
		string(types.DockerManifestSchema2),
	}}
}

// digest asks for the head alone. A registry that does not give the digest there is asked for the manifest later.
func (r *registry) digest(ctx context.Context) (string, error) {
	resp, err := r.do(ctx, http.MethodHead, "manifests/"+r.ref.Identifier(), manifestTypes(), http.StatusOK)
	if err != nil {
		return "", err
	}
	_ = resp.Body.Close()
	if h, err := v1.NewHash(resp.Header.Get("Docker-Content-Digest")); err == nil && h.Algorithm == "sha256" {
		return h.String(), nil
	}
	return "", nil
}

func (r *registry) find(ctx context.Context, digest string) (*found, error) {
	id := digest
	if id == "" {
		id = r.ref.Identifier()
	}
	data, mediaType, err := r.manifest(ctx, id)
	if err != nil {
		return nil, err
	}
	return resolve(ctx, r, digestOf(data), data, mediaType, r.platform)
}

// manifest reads a manifest by its digest or by a tag.
func (r *registry) manifest(ctx context.Context, id string) ([]byte, types.MediaType, error) {
	resp, err := r.do(ctx, http.MethodGet, "manifests/"+id, manifestTypes(), http.StatusOK)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxManifest+1))
	switch {
	case err != nil:
		return nil, "", err
	case len(data) > maxManifest:
		return nil, "", fmt.Errorf("%w: a manifest of more than %d bytes", errUnsupported, maxManifest)
	case strings.Contains(id, ":") && digestOf(data) != id:
		return nil, "", fmt.Errorf("%w: its manifest is %s, not %s", errCorrupt, digestOf(data), id)
	}
	mediaType, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	return data, types.MediaType(mediaType), nil
}

func (r *registry) blob(ctx context.Context, d v1.Descriptor) (io.ReadCloser, error) {
	open := func(from int64) (io.ReadCloser, error) { return r.openBlob(ctx, d, from) }
	body, err := open(0)
	if err != nil {
		return nil, err
	}
	return verified(&resuming{ctx: ctx, body: body, open: open, wait: r.wait, size: d.Size}, d.Digest, d.Size)
}

// openBlob downloads a blob from an offset. A registry that does not know offsets sends all, and the beginning is dropped.
func (r *registry) openBlob(ctx context.Context, d v1.Descriptor, from int64) (io.ReadCloser, error) {
	header := http.Header{}
	if from > 0 {
		header.Set("Range", "bytes="+strconv.FormatInt(from, 10)+"-")
	}
	resp, err := r.do(ctx, http.MethodGet, "blobs/"+d.Digest.String(), header, http.StatusOK, http.StatusPartialContent)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusOK && from > 0 {
		if _, err := io.CopyN(io.Discard, resp.Body, from); err != nil {
			_ = resp.Body.Close()
			return nil, err
		}
	}
	return resp.Body, nil
}

// redirect follows registries to where their blobs are, but from nowhere public to addresses of a private network: the
// answer of a registry is no reason to call what only this machine can reach.
func redirect(req *http.Request, via []*http.Request) error {
	if len(via) > 10 {
		return fmt.Errorf("%w: too many redirects", errUnsupported)
	}
	if req.URL.Hostname() != via[0].URL.Hostname() && private(req.URL.Hostname()) && !private(via[0].URL.Hostname()) {
		return fmt.Errorf("%w: the registry redirects to the private address %s", errUnsupported, req.URL.Hostname())
	}
	return nil
}

func private(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && (ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip.IsUnspecified())
}

func newTransport(cfg Config) *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: min(30*time.Second, cfg.Idle), KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   cfg.Concurrency,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   min(10*time.Second, cfg.Idle),
		ResponseHeaderTimeout: cfg.Idle,
		DisableCompression:    true, // a blob's digest is of what is sent
	}
}

// guard gives up on connections over which nothing comes, and refuses to speak without TLS to whom nobody named for it.
type guard struct {
	inner    http.RoundTripper
	insecure []string
	idle     time.Duration
}

func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	if host := req.URL.Hostname(); req.URL.Scheme != "https" && !slices.Contains(g.insecure, req.URL.Host) && !loopback(host) {
		return nil, &plainError{host: req.URL.Host}
	}
	ctx, cancel := context.WithCancelCause(req.Context())
	resp, err := g.inner.RoundTrip(req.WithContext(ctx))
	if err != nil {
		cancel(nil)
		return nil, err
	}
	resp.Body = &watched{body: resp.Body, ctx: ctx, cancel: cancel, idle: g.idle}
	return resp, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// watched ends a read that waits for too long.
type watched struct {
	body   io.ReadCloser
	ctx    context.Context
	cancel context.CancelCauseFunc
	idle   time.Duration
}

func (w *watched) Read(p []byte) (int, error) {
	timer := time.AfterFunc(w.idle, func() { w.cancel(errIdle) })
	n, err := w.body.Read(p)
	timer.Stop()
	if err != nil && err != io.EOF && w.ctx.Err() != nil { //nolint:errorlint // a reader's end is io.EOF itself
		err = context.Cause(w.ctx)
	}
	return n, err
}

func (w *watched) Close() error {
	w.cancel(nil)
	return w.body.Close()
}
