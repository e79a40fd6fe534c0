package acm

import "github.com/maitred/maitred/internal/api/wire"

// table lists all operations.
func (a *API) table() []wire.Operation {
	ops := []wire.Operation{
		op(a, "ImportCertificate", a.importCertificate),
		op(a, "RequestCertificate", a.requestCertificate),
		op(a, "ListCertificates", a.listCertificates),
		op(a, "DescribeCertificate", a.describeCertificate),
		op(a, "GetCertificate", a.getCertificate),
		op(a, "DeleteCertificate", a.deleteCertificate),
		op(a, "AddTagsToCertificate", a.addTagsToCertificate),
		op(a, "RemoveTagsFromCertificate", a.removeTagsFromCertificate),
		op(a, "ListTagsForCertificate", a.listTagsForCertificate),
	}
	for _, r := range refusals() {
		for _, name := range r.names {
			ops = append(ops, wire.Refuse(name, "UnsupportedFeatureException", name+" is not supported by this version of maitred: "+r.instead+"."))
		}
	}
	return ops
}

// refusal is operations that are not there for one reason.
type refusal struct {
	instead string
	names   []string
}

func refusals() []refusal {
	return []refusal{
		{"private keys are not given back; keep the one that you import", []string{"ExportCertificate"}},
		{
			"certificates are renewed without being asked for it, and are not revoked here; import a new one under the same ARN, or request another",
			[]string{
				"GetAccountConfiguration", "ListCertificateDomainValidations", "PutAccountConfiguration", "RenewCertificate",
				"ResendValidationEmail", "RevokeCertificate", "UpdateCertificateOptions",
			},
		},
		{"use ListCertificates", []string{"SearchCertificates"}},
		{
			"call AddTagsToCertificate, RemoveTagsFromCertificate and ListTagsForCertificate",
			[]string{"ListTagsForResource", "TagResource", "UntagResource"},
		},
		{
			"there is no ACME server here; certificates of another one are requested with RequestCertificate",
			[]string{
				"CreateAcmeDomainValidation", "CreateAcmeEndpoint", "CreateAcmeExternalAccountBinding", "DeleteAcmeDomainValidation",
				"DeleteAcmeEndpoint", "DeleteAcmeExternalAccountBinding", "DescribeAcmeAccount", "DescribeAcmeDomainValidation",
				"DescribeAcmeEndpoint", "DescribeAcmeExternalAccountBinding", "GetAcmeExternalAccountBindingCredentials",
				"ListAcmeAccounts", "ListAcmeDomainValidations", "ListAcmeEndpoints", "ListAcmeExternalAccountBindings",
				"RevokeAcmeAccount", "RevokeAcmeExternalAccountBinding", "UpdateAcmeDomainValidation", "UpdateAcmeEndpoint",
			},
		},
	}
}
