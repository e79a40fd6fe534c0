package acm

import (
	"bytes"
	"context"
	"encoding/pem"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acm"

	"github.com/maitred/maitred/internal/api/wire"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

func (a *API) importCertificate(ctx context.Context, call control.Call, in *acm.ImportCertificateInput) (*acm.ImportCertificateOutput, error) {
	switch {
	case len(in.Certificate) == 0:
		return nil, null("certificate")
	case len(in.PrivateKey) == 0:
		return nil, null("privateKey")
	case in.CertificateArn != nil && *in.CertificateArn == "":
		return nil, invalid("1 validation error detected: Value '' at 'certificateArn' failed to satisfy constraint: Member must have length greater than or equal to 20")
	}
	resource, err := a.store(ctx, call, control.NewCertificate{
		ARN: aws.ToString(in.CertificateArn), Type: model.CertificateImported,
		Body: in.Certificate, Chain: in.CertificateChain, Key: in.PrivateKey, Tags: tagsIn(in.Tags),
	})
	if err != nil {
		return nil, err
	}
	return &acm.ImportCertificateOutput{CertificateArn: &resource}, nil
}

func (a *API) store(ctx context.Context, call control.Call, in control.NewCertificate) (resource string, err error) {
	err = a.Sealing(func(seal Seal) error {
		return a.Update(ctx, func(tx *store.Tx) error {
			resource, err = control.ImportCertificate(tx, call, in, seal)
			return err
		})
	})
	return resource, err
}

func (a *API) find(call control.Call, resource *string) (*model.Certificate, error) {
	return control.FindCertificate(a.Store.View(), call, aws.ToString(resource))
}

func (a *API) getCertificate(_ context.Context, call control.Call, in *acm.GetCertificateInput) (*acm.GetCertificateOutput, error) {
	c, err := a.find(call, in.CertificateArn)
	if err != nil {
		return nil, err
	}
	if len(c.Chain) == 0 {
		return nil, notIssued(c)
	}
	_, chain := pem.Decode(c.Chain)
	body := bytes.TrimSuffix(c.Chain, chain)
	out := &acm.GetCertificateOutput{Certificate: aws.String(string(body))}
	if len(chain) > 0 {
		out.CertificateChain = aws.String(string(chain))
	}
	return out, nil
}

// notIssued says why there is no certificate yet ("GetCertificate").
func notIssued(c *model.Certificate) error {
	if c.Status == model.CertificatePending {
		return wire.Errorf("RequestInProgressException", "The certificate %s is not issued yet: its names are being proven.", c.ARN)
	}
	return wire.Errorf("ResourceNotFoundException", "The certificate %s was not issued: %s", c.ARN, c.Attempts.Problem)
}

func (a *API) deleteCertificate(ctx context.Context, call control.Call, in *acm.DeleteCertificateInput) (*acm.DeleteCertificateOutput, error) {
	return &acm.DeleteCertificateOutput{}, a.Update(ctx, func(tx *store.Tx) error {
		return control.DeleteCertificate(tx, call, aws.ToString(in.CertificateArn))
	})
}

func (a *API) addTagsToCertificate(
	ctx context.Context, call control.Call, in *acm.AddTagsToCertificateInput,
) (*acm.AddTagsToCertificateOutput, error) {
	if len(in.Tags) == 0 {
		return nil, null("tags")
	}
	return &acm.AddTagsToCertificateOutput{}, a.Update(ctx, func(tx *store.Tx) error {
		return control.TagCertificate(tx, call, aws.ToString(in.CertificateArn), tagsIn(in.Tags))
	})
}

func (a *API) removeTagsFromCertificate(
	ctx context.Context, call control.Call, in *acm.RemoveTagsFromCertificateInput,
) (*acm.RemoveTagsFromCertificateOutput, error) {
	if len(in.Tags) == 0 {
		return nil, null("tags")
	}
	matches := func(t model.Tag) bool {
		for _, x := range in.Tags {
			if aws.ToString(x.Key) == t.Key && (x.Value == nil || *x.Value == t.Value) {
				return true
			}
		}
		return false
	}
	return &acm.RemoveTagsFromCertificateOutput{}, a.Update(ctx, func(tx *store.Tx) error {
		return control.UntagCertificate(tx, call, aws.ToString(in.CertificateArn), matches)
	})
}

func (a *API) listTagsForCertificate(
	_ context.Context, call control.Call, in *acm.ListTagsForCertificateInput,
) (*acm.ListTagsForCertificateOutput, error) {
	c, err := a.find(call, in.CertificateArn)
	if err != nil {
		return nil, err
	}
	return &acm.ListTagsForCertificateOutput{Tags: tagsOut(c.Tags)}, nil
}
