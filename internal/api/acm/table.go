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
	return append(ops, wire.AllUnsupported("UnsupportedFeatureException", refusals())...)
}

// refusals are the operations that are not there, by what to do instead.
func refusals() map[string][]string {
	return map[string][]string{
		"private keys are not given back; keep the one that you import": {"ExportCertificate"},
		"certificates are renewed without being asked for it, and are not revoked here; import a new one under the same ARN, or request another": {
			"GetAccountConfiguration", "ListCertificateDomainValidations", "PutAccountConfiguration", "RenewCertificate",
			"ResendValidationEmail", "RevokeCertificate", "UpdateCertificateOptions",
		},
		"use ListCertificates": {"SearchCertificates"},
		"call AddTagsToCertificate, RemoveTagsFromCertificate and ListTagsForCertificate": {"ListTagsForResource", "TagResource", "UntagResource"},
		"there is no ACME server here; certificates of another one are requested with RequestCertificate": {
			"CreateAcmeDomainValidation", "CreateAcmeEndpoint", "CreateAcmeExternalAccountBinding", "DeleteAcmeDomainValidation",
			"DeleteAcmeEndpoint", "DeleteAcmeExternalAccountBinding", "DescribeAcmeAccount", "DescribeAcmeDomainValidation",
			"DescribeAcmeEndpoint", "DescribeAcmeExternalAccountBinding", "GetAcmeExternalAccountBindingCredentials",
			"ListAcmeAccounts", "ListAcmeDomainValidations", "ListAcmeEndpoints", "ListAcmeExternalAccountBindings",
			"RevokeAcmeAccount", "RevokeAcmeExternalAccountBinding", "UpdateAcmeDomainValidation", "UpdateAcmeEndpoint",
		},
	}
}
