package model

// Error is a refusal that its user can act on: the exception name of the API and a sentence that names the field. It is
// made where the rule is known and translated to the wire in one place; every other error is internal.
type Error struct {
	Code      string   // an exception name of ECS, for example ClusterNotFoundException
	Message   string   // for people
	Resources []string // ARNs, where the exception carries some (ConflictException)
}

// Error gives "Code: Message".
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// InvalidParameter refuses a bad value in a request.
func InvalidParameter(message string) *Error {
	return &Error{Code: "InvalidParameterException", Message: message}
}

// ClientFault refuses what does not fit the state of things, and every bad task definition.
func ClientFault(message string) *Error { return &Error{Code: "ClientException", Message: message} }

// ClusterNotFound refuses a cluster that does not exist.
func ClusterNotFound() *Error {
	return &Error{Code: "ClusterNotFoundException", Message: "Cluster not found."}
}

// ServiceNotFound refuses a service that does not exist.
func ServiceNotFound() *Error {
	return &Error{Code: "ServiceNotFoundException", Message: "Service not found."}
}

// ServiceNotActive refuses to change a service that is being deleted.
func ServiceNotActive() *Error {
	return &Error{Code: "ServiceNotActiveException", Message: "Service was not ACTIVE."}
}

// Unsupported refuses what this version cannot do, naming it.
func Unsupported(message string) *Error {
	return &Error{Code: "UnsupportedFeatureException", Message: message}
}
