package acm

import (
	"cmp"
	"context"
	"crypto/x509"
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/acm/types"

	"github.com/maitred/maitred/internal/api/wire"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
)

const (
	pageMax = 1000
	// summaryNames is how many names a summary has ("CertificateSummary").
	summaryNames = 100
)

func (a *API) listCertificates(_ context.Context, call control.Call, in *acm.ListCertificatesInput) (*acm.ListCertificatesOutput, error) {
	most, after, err := checkList(in)
	if err != nil {
		return nil, err
	}
	all, err := a.matching(call, in)
	if err != nil {
		return nil, err
	}
	if after != "" {
		i := slices.IndexFunc(all, func(c *model.Certificate) bool { return c.ARN == after })
		if i < 0 && in.SortBy == "" { // it was deleted meanwhile; the others are in the order of their ARNs
			i, _ = slices.BinarySearchFunc(all, after, func(c *model.Certificate, arn string) int { return strings.Compare(c.ARN, arn) })
			i--
		} else if i < 0 {
			return nil, wire.Errorf("InvalidArgsException", "NextToken: the certificate that it stands for is gone. Begin anew.")
		}
		all = all[i+1:]
	}
	out := &acm.ListCertificatesOutput{CertificateSummaryList: []types.CertificateSummary{}}
	for i, c := range all {
		if i == most {
			out.NextToken = aws.String(base64.RawURLEncoding.EncodeToString([]byte(all[i-1].ARN)))
			break
		}
		s, err := a.summary(call, c)
		if err != nil {
			return nil, err
		}
		out.CertificateSummaryList = append(out.CertificateSummaryList, s)
	}
	return out, nil
}

// checkList gives how many certificates are wanted, and the ARN of the one that they come after.
func checkList(in *acm.ListCertificatesInput) (most int, after string, err error) {
	most = pageMax
	if in.MaxItems != nil {
		most = int(*in.MaxItems)
	}
	if most < 1 || most > pageMax {
		return 0, "", invalid("1 validation error detected: Value '%d' at 'maxItems' failed to satisfy constraint: Member must have value between 1 and %d", most, pageMax)
	}
	if (in.SortBy == "") != (in.SortOrder == "") {
		return 0, "", invalid("SortBy and SortOrder are given together, or neither of them.")
	}
	if in.SortBy != "" && in.SortBy != types.SortByCreatedAt {
		return 0, "", oneOf("sortBy", string(in.SortBy), "CREATED_AT")
	}
	if in.SortOrder != "" && !slices.Contains(in.SortOrder.Values(), in.SortOrder) {
		return 0, "", oneOf("sortOrder", string(in.SortOrder), "ASCENDING, DESCENDING")
	}
	for _, s := range in.CertificateStatuses {
		if !slices.Contains(s.Values(), s) {
			return 0, "", oneOf("certificateStatuses", string(s), "ISSUED, EXPIRED, …")
		}
	}
	if in.NextToken != nil {
		text, err := base64.RawURLEncoding.DecodeString(*in.NextToken)
		if err != nil || !strings.HasPrefix(string(text), "arn:") {
			return 0, "", wire.Errorf("InvalidArgsException", "NextToken: %.100q is none that ListCertificates has given.", *in.NextToken)
		}
		after = string(text)
	}
	return most, after, nil
}

// matching lists the certificates of the region that the filters let through, ordered.
func (a *API) matching(call control.Call, in *acm.ListCertificatesInput) ([]*model.Certificate, error) {
	filter, err := filterIn(in.Includes)
	if err != nil {
		return nil, err
	}
	var list []*model.Certificate
	for c := range a.Store.View().Certificates() {
		if c.Region != call.Region || !wanted(c, in, filter, call.Now) {
			continue
		}
		used, err := usedFor(c, filter)
		if err != nil {
			return nil, err
		}
		if used {
			list = append(list, c)
		}
	}
	if in.SortBy != "" {
		slices.SortStableFunc(list, func(a, b *model.Certificate) int {
			return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ARN, b.ARN))
		})
	}
	if in.SortOrder == types.SortOrderDescending {
		slices.Reverse(list)
	}
	return list, nil
}

// filterIn reads a filter. Without one of key types those with RSA keys of up to 2,048 bits are listed, as AWS does
// ("Filters").
func filterIn(in *types.Filters) (types.Filters, error) {
	filter := types.Filters{}
	if in != nil {
		filter = *in
	}
	if len(filter.KeyTypes) == 0 {
		filter.KeyTypes = []types.KeyAlgorithm{types.KeyAlgorithmRsa1024, types.KeyAlgorithmRsa2048}
	}
	for _, k := range filter.KeyTypes {
		if !slices.Contains(k.Values(), k) {
			return filter, oneOf("includes.keyTypes", string(k), "RSA_1024, RSA_2048, EC_prime256v1, …")
		}
	}
	return filter, nil
}

// wanted says whether what the record of a certificate tells passes the filters. No certificate can be exported, and none
// is managed by another service.
func wanted(c *model.Certificate, in *acm.ListCertificatesInput, f types.Filters, now time.Time) bool {
	switch {
	case f.ExportOption == types.CertificateExportEnabled || f.ManagedBy != "":
		return false
	case len(in.CertificateStatuses) > 0 && !slices.Contains(in.CertificateStatuses, status(c, now)):
		return false
	case len(in.CertificateKeyPairOrigins) > 0 && !slices.Contains(in.CertificateKeyPairOrigins, origin(c)):
		return false
	}
	return slices.Contains(f.KeyTypes, types.KeyAlgorithm(c.Algorithm))
}

// usedFor says whether a certificate has all the usages of a filter.
func usedFor(c *model.Certificate, f types.Filters) (bool, error) {
	if len(f.KeyUsage) == 0 && len(f.ExtendedKeyUsage) == 0 {
		return true, nil
	}
	if len(c.Chain) == 0 {
		return false, nil
	}
	leaf, err := leafOf(c)
	if err != nil {
		return false, err
	}
	for _, u := range f.KeyUsage {
		if u != types.KeyUsageNameAny && !slices.Contains(keyUsages(leaf), u) {
			return false, nil
		}
	}
	extended := extendedNames(leaf)
	for _, u := range f.ExtendedKeyUsage {
		if u != types.ExtendedKeyUsageNameAny && !slices.Contains(extended, u) {
			return false, nil
		}
	}
	return true, nil
}

func extendedNames(leaf *x509.Certificate) []types.ExtendedKeyUsageName {
	var list []types.ExtendedKeyUsageName
	for _, u := range extendedUsages(leaf) {
		list = append(list, u.name)
	}
	return list
}

func origin(c *model.Certificate) types.CertificateKeyPairOrigin {
	if c.Type == model.CertificateImported {
		return types.CertificateKeyPairOriginCustomerProvided
	}
	return types.CertificateKeyPairOriginAwsManaged
}

func (a *API) summary(call control.Call, c *model.Certificate) (types.CertificateSummary, error) {
	s := types.CertificateSummary{
		CertificateArn: &c.ARN, DomainName: &c.Names[0], SubjectAlternativeNameSummaries: c.Names[:min(summaryNames, len(c.Names))],
		HasAdditionalSubjectAlternativeNames: aws.Bool(len(c.Names) > summaryNames),
		Status:                               status(c, call.Now), Type: types.CertificateType(c.Type), KeyAlgorithm: types.KeyAlgorithm(c.Algorithm),
		CertificateKeyPairOrigin: origin(c), CreatedAt: &c.CreatedAt,
		InUse: aws.Bool(len(control.CertificateUsers(a.Store.View(), c.ARN)) > 0), RenewalEligibility: a.eligibility(c),
	}
	if len(c.Chain) > 0 {
		leaf, err := leafOf(c)
		if err != nil {
			return types.CertificateSummary{}, err
		}
		s.KeyUsages, s.ExtendedKeyUsages, s.NotBefore, s.NotAfter = keyUsages(leaf), extendedNames(leaf), &c.NotBefore, &c.NotAfter
	}
	if c.Type == model.CertificateImported {
		s.ImportedAt = &c.ImportedAt
	} else {
		s.IssuedAt = issuedAt(c)
	}
	return s, nil
}
