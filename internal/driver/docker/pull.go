package docker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/moby/moby/api/pkg/authconfig"
	"github.com/moby/moby/api/types/registry"
	"github.com/moby/moby/client"

	"github.com/maitred/maitred/internal/driver"
)

// image is an image as a container is made of it.
type image struct {
	name   string // for the daemon
	digest string // in its registry, "" if it is of none

	pullStarted, pullStopped time.Time // zero if it was here
}

// pinned is the name of an image that a deployment is bound to: of the digest, whatever its tag means by now. An image's
// id, and a name that has a digest already, stay as they are.
func pinned(image, digest string) string {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil || digest == "" {
		return image
	}
	if _, ok := named.(reference.Digested); ok {
		return image
	}
	parsed, err := reference.ParseAnyReference(digest)
	d, ok := parsed.(reference.Digested)
	if err != nil || !ok {
		return image
	}
	bound, err := reference.WithDigest(reference.TrimNamed(named), d.Digest())
	if err != nil {
		return image
	}
	return reference.FamiliarString(bound)
}

// presume gives the image of a spec whose digest is known without asking: whether it is here, its use will tell.
func presume(spec *driver.Spec) (im image, ok bool) {
	im = image{name: pinned(spec.Definition.Image, spec.Digest)}
	if _, digest, found := strings.Cut(im.name, "@"); found {
		im.digest = digest
		return im, true
	}
	return im, false
}

// find looks for an image that is here. There is none: errdefs.IsNotFound.
func (d *Driver) find(ctx context.Context, name string) (image, error) {
	return d.imageFlights.do(ctx, "image "+name, func(ctx context.Context) (image, error) {
		ctx, cancel := context.WithTimeout(ctx, d.limits.quick)
		defer cancel()
		found, err := d.client.ImageInspect(ctx, name)
		return image{name: name, digest: digestOf(name, found.RepoDigests)}, err
	})
}

// fetch pulls an image.
func (d *Driver) fetch(ctx context.Context, spec *driver.Spec) (image, error) {
	name := pinned(spec.Definition.Image, spec.Digest)
	key := "pull of image " + name
	if spec.Registry != nil { // another's credentials do not count
		sum := sha256.Sum256([]byte(spec.Registry.Username + ":" + spec.Registry.Password))
		key += " by " + hex.EncodeToString(sum[:])
	}
	began := time.Now()
	_, err := d.imageFlights.do(ctx, key, func(ctx context.Context) (image, error) {
		return image{}, d.pull(ctx, name, spec.Registry)
	})
	if err != nil {
		return image{}, err
	}
	ended := time.Now()
	im, err := d.find(ctx, name)
	im.pullStarted, im.pullStopped = began, ended
	return im, err
}

// digestOf picks an image's digest under the name that it was asked for by.
func digestOf(name string, digests []string) string {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return "" // an image's id
	}
	if digested, ok := named.(reference.Digested); ok {
		return digested.Digest().String()
	}
	for _, d := range digests {
		repository, digest, _ := strings.Cut(d, "@")
		if r, err := reference.ParseNormalizedNamed(repository); err == nil && r.Name() == named.Name() {
			return digest
		}
	}
	return ""
}

func (d *Driver) pull(ctx context.Context, name string, login *driver.Login) error {
	d.log.Info("pulling an image", "image", name)
	limited, cancel := context.WithTimeoutCause(ctx, d.limits.pull,
		fmt.Errorf("the pull took longer than %v", d.limits.pull))
	defer cancel()
	limited, giveUp := context.WithCancelCause(limited)
	defer giveUp(nil)
	silence := time.AfterFunc(d.limits.silence, func() {
		giveUp(fmt.Errorf("the pull made no progress for %v", d.limits.silence))
	})
	defer silence.Stop()
	auth, err := credentials(limited, name, login)
	if err != nil {
		return cause(ctx, limited, err)
	}
	progress, err := d.client.ImagePull(limited, name, client.ImagePullOptions{RegistryAuth: auth})
	if err != nil {
		return explained(cause(ctx, limited, err), name)
	}
	for message, err := range progress.JSONMessages(limited) {
		silence.Reset(d.limits.silence)
		if err != nil {
			return cause(ctx, limited, err)
		}
		if message.Error != nil {
			return explained(message.Error, name)
		}
	}
	return cause(ctx, limited, nil)
}

// cause is why a limited context ended, if its limit did it, and else err.
func cause(ctx, limited context.Context, err error) error {
	if ctx.Err() == nil && limited.Err() != nil {
		return context.Cause(limited)
	}
	return err
}

// explained names the image in the daemon's words, and what can be done where it lacks credentials.
func explained(err error, image string) error {
	if err == nil {
		return nil
	}
	text := strings.ToLower(err.Error())
	hint := ""
	for _, word := range []string{"unauthorized", "authentication required", "no basic auth", "access denied", "access to the resource is denied"} {
		if strings.Contains(text, word) {
			hint = " (give the container repositoryCredentials, or log in with docker login as the user that runs maitred)"
		}
	}
	if strings.Contains(text, strings.ToLower(image)) {
		return fmt.Errorf("%w%s", err, hint)
	}
	return fmt.Errorf("pull image %s: %w%s", image, err, hint)
}

// credentials are what the daemon shall show an image's registry: the task's, or else what this user's configuration of
// Docker has, its helpers asked; "" for none.
func credentials(ctx context.Context, image string, login *driver.Login) (string, error) {
	if login != nil {
		return authconfig.Encode(registry.AuthConfig{Username: login.Username, Password: login.Password})
	}
	ref, err := name.ParseReference(image)
	if err != nil {
		return "", nil //nolint:nilerr // the daemon judges the name
	}
	found, err := authn.Resolve(ctx, authn.DefaultKeychain, ref.Context())
	if err != nil {
		return "", fmt.Errorf("look for the credentials of %s in Docker's configuration: %w", ref.Context().RegistryStr(), err)
	}
	if found == authn.Anonymous {
		return "", nil
	}
	a, err := authn.Authorization(ctx, found)
	if err != nil {
		return "", fmt.Errorf("get the credentials of %s: %w", ref.Context().RegistryStr(), err)
	}
	return authconfig.Encode(registry.AuthConfig{
		Username: a.Username, Password: a.Password, Auth: a.Auth, IdentityToken: a.IdentityToken, RegistryToken: a.RegistryToken,
	})
}

// noSuchImage says whether an error is that an image is not here; other things can be missing too.
func noSuchImage(err error) bool {
	return errdefs.IsNotFound(err) && strings.Contains(strings.ToLower(err.Error()), "no such image")
}
