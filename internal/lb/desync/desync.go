// Package desync reads the head of an HTTP/1.1 request as it came, byte by byte, and says how sure it is that everybody
// else would read the same: requests whose end two programs see in different places are how one client gets at the
// requests of another ("HTTP desync mitigation mode"). What it gives back is normalised: whoever writes a request from it
// writes one that has a single meaning, or none at all.
//
// It is pure and keeps no copy: a Head points into the bytes that it was parsed from.
package desync

// Class says how much a request is to be trusted ("Classifications").
type Class uint8

// The classes, from good to bad.
const (
	Compliant  Class = iota // as the RFCs have it
	Acceptable              // not as the RFCs have it, but with a single meaning
	Ambiguous               // its end may be seen in different places
	Severe                  // malformed, or made to be misread
)

// String is the class as access logs have it.
func (c Class) String() string {
	return [...]string{"Compliant", "Acceptable", "Ambiguous", "Severe"}[c]
}

// The reasons of classes, as access logs have them ("Classification reasons").
const (
	AmbiguousURI              = "AmbiguousUri"
	BadContentLength          = "BadContentLength"
	BadHeader                 = "BadHeader"
	BadMethod                 = "BadMethod"
	BadTransferEncoding       = "BadTransferEncoding"
	BadURI                    = "BadUri"
	BadVersion                = "BadVersion"
	BothTeClPresent           = "BothTeClPresent"
	DuplicateContentLength    = "DuplicateContentLength"
	EmptyHeader               = "EmptyHeader"
	GetHeadZeroContentLength  = "GetHeadZeroContentLength"
	MissingHeaderColon        = "MissingHeaderColon"
	MissingURI                = "MissingUri"
	MultilineHeader           = "MultilineHeader"
	MultipleContentLength     = "MultipleContentLength"
	MultipleChunked           = "MultipleTransferEncodingChunked"
	NonCompliantHeader        = "NonCompliantHeader"
	NonCompliantVersion       = "NonCompliantVersion"
	NonCRLFLineTermination    = "NonCrLfLineTermination"
	SpaceInURI                = "SpaceInUri"
	SuspiciousHeader          = "SuspiciousHeader"
	UndefinedContentLength    = "UndefinedContentLengthSemantics"
	UndefinedTransferEncoding = "UndefinedTransferEncodingSemantics"
)

// Mode is what is done with the classes ("routing.http.desync_mitigation_mode").
type Mode uint8

// The modes.
const (
	Defensive Mode = iota
	Monitor
	Strictest
)

// ParseMode reads the attribute; anything unknown is defensive, as the default is.
func ParseMode(attribute string) Mode {
	switch attribute {
	case "monitor":
		return Monitor
	case "strictest":
		return Strictest
	}
	return Defensive
}

// Blocks says that a request of the class is answered with 400.
func (m Mode) Blocks(c Class) bool {
	switch m {
	case Monitor:
		return false
	case Strictest:
		return c > Compliant
	default:
		return c == Severe
	}
}

// Field is one header field of a request: its name as it was written, its value without white space around it.
type Field struct{ Name, Value []byte }

// Head is the head of a request.
type Head struct {
	Method, Target, Version []byte
	// Minor is the version's: 0 or 1. Later ones count as 1.
	Minor int
	// Fields are those that may be passed on, in order. Content-Length, Transfer-Encoding, what looks like them and what
	// nobody could write again are not among them; Host is.
	Fields []Field
	// Length is that of the body, -1 for one that is chunked.
	Length  int64
	Chunked bool
	// Invalid counts the fields with names other than letters, digits and hyphens that are not among Fields.
	Invalid int

	Class  Class
	Reason string // of the class, "" for Compliant
	// Refuse is the status with which the request is refused whatever the mode, 0 for none: where it ends is unknown, or
	// it asks for something that does not exist.
	Refuse int

	hosts  int
	host   []byte
	spaced bool // the target has bytes that cannot be written as they are
	te, cl framing
}

// framing gathers what the fields say of the body's length.
type framing struct {
	seen      bool
	chunked   int  // how often
	last      bool // chunked came last
	other     bool // a coding that is not carried out here
	bad       bool
	length    int64
	different bool
}

// note keeps the worst class, and the first reason for it.
func (h *Head) note(c Class, reason string) {
	if c > h.Class {
		h.Class, h.Reason = c, reason
	}
}

// refuse keeps the first status with which the request must be refused.
func (h *Head) refuse(status int) {
	if h.Refuse == 0 {
		h.Refuse = status
	}
}

// Host is the only Host field's value; ok is false if there is none.
func (h *Head) Host() (host []byte, ok bool) { return h.host, h.hosts > 0 }

// Closes says that neither connection may be used for anything else after this request, as its end is not beyond doubt.
func (h *Head) Closes() bool { return h.Class >= Ambiguous }
