package desync

import (
	"bytes"
	"math"
)

// MaxFields is how many header fields a request may have.
const MaxFields = 1000

// fields reads the lines after the request line, up to the empty one.
func (h *Head) fields(rest []byte) {
	var name, value []byte // of the line before
	folded := false
	for len(rest) > 0 {
		var line []byte
		if line, rest = h.line(rest); len(line) == 0 {
			break
		}
		if line[0] == ' ' || line[0] == '\t' {
			value, folded = h.fold(name, value, line, folded), true
			continue
		}
		h.field(name, value)
		folded = false
		if name, value = h.split(line); len(h.Fields)+h.Invalid > MaxFields {
			h.note(Severe, BadHeader)
			h.refuse(400)
			return
		}
	}
	h.field(name, value)
}

// split divides a line at its colon; a line without one is no field.
func (h *Head) split(line []byte) (name, value []byte) {
	colon := bytes.IndexByte(line, ':')
	if colon < 0 {
		h.note(Ambiguous, MissingHeaderColon)
		h.Invalid++
		return nil, nil
	}
	if colon == 0 {
		h.note(Ambiguous, EmptyHeader)
		h.Invalid++
		return nil, nil
	}
	return line[:colon], trim(line[colon+1:])
}

// fold adds a line that continues the one before (obs-fold), with one space in its place (RFC 9112, 5.2). Fields that say
// where a request ends or whom it is for are not continued: there, and in front of the first field, it is an attack.
func (h *Head) fold(name, value, line []byte, again bool) []byte {
	switch {
	case name == nil || similar(name, transferEncoding) != distant || similar(name, contentLength) != distant || equalFold(name, "host"):
		h.note(Severe, BadHeader)
		h.refuse(400)
	case !equalFold(name, "content-type"):
		h.note(Ambiguous, MultilineHeader)
	}
	if !again {
		value = bytes.Clone(value)
	}
	return trim(append(append(value, ' '), trim(line)...))
}

// field judges a field and keeps it, or what it says.
func (h *Head) field(name, value []byte) {
	if name == nil {
		return
	}
	te, cl := similar(name, transferEncoding), similar(name, contentLength)
	good := h.checkBytes(name, value)
	switch {
	case te == identical:
		h.transferEncoding(value)
	case cl == identical:
		h.contentLength(value)
	case te == lookalike || cl == lookalike:
		h.note(Ambiguous, SuspiciousHeader)
		h.Invalid++
	case len(trim(name)) == 0:
		h.note(Ambiguous, EmptyHeader)
		h.Invalid++
	case !good:
		h.Invalid++
		if equalFold(trim(name), "host") {
			h.note(Severe, BadHeader)
			h.refuse(400)
		}
	default:
		if equalFold(name, "host") {
			h.hosts++
			h.host = value
		}
		h.Fields = append(h.Fields, Field{name, value})
	}
}

// checkBytes says whether the field could be written again as it is.
func (h *Head) checkBytes(name, value []byte) bool {
	good := true
	for _, b := range name {
		if !tokens[b] {
			good = false
			h.badByte(b)
		}
	}
	for _, b := range value {
		if b < ' ' && b != '\t' || b == 0x7f {
			good = false
			h.badByte(b)
		}
	}
	return good
}

func (h *Head) badByte(b byte) {
	if b == 0 || b == '\r' {
		h.note(Severe, BadHeader)
		return
	}
	h.note(Acceptable, NonCompliantHeader)
}

func (h *Head) contentLength(value []byte) {
	n, ok := number(value)
	switch {
	case !ok:
		h.cl.bad = true
		h.note(Severe, BadContentLength)
	case h.cl.seen && n != h.cl.length:
		h.cl.different = true
		h.note(Severe, MultipleContentLength)
	case h.cl.seen:
		h.note(Ambiguous, DuplicateContentLength)
	}
	h.cl.seen, h.cl.length = true, n
}

// number reads a decimal number of octets that fits; nothing but digits is one.
func number(value []byte) (int64, bool) {
	if len(value) == 0 {
		return 0, false
	}
	var n int64
	for _, b := range value {
		if !isDigit(b) || n > (math.MaxInt64-9)/10 {
			return 0, false
		}
		n = n*10 + int64(b-'0')
	}
	return n, true
}

func (h *Head) transferEncoding(value []byte) {
	h.te.seen = true
	for more := true; more; {
		var item []byte
		item, value, more = bytes.Cut(value, []byte{','})
		h.coding(trim(item))
	}
}

func (h *Head) coding(name []byte) {
	h.te.last = false
	switch {
	case equalFold(name, "chunked"):
		h.te.chunked++
		h.te.last = true
		if h.te.chunked > 1 {
			h.note(Severe, MultipleChunked)
			h.te.bad = true
		}
	case equalFold(name, "identity"):
	case equalFold(name, "gzip"), equalFold(name, "deflate"), equalFold(name, "compress"):
		h.te.other = true
	default:
		h.te.bad = true
		h.note(Severe, BadTransferEncoding)
	}
}

// frame decides where the body ends.
func (h *Head) frame() {
	bodyless := string(h.Method) == "GET" || string(h.Method) == "HEAD"
	if h.te.seen {
		h.frameCoded(bodyless)
	}
	if h.cl.bad || h.cl.different {
		h.refuse(400)
	}
	if !h.cl.seen || h.te.seen {
		return
	}
	h.Length = h.cl.length
	switch {
	case bodyless && h.Length == 0:
		h.note(Acceptable, GetHeadZeroContentLength)
	case bodyless:
		h.note(Ambiguous, UndefinedContentLength)
	}
}

// frameCoded decides for requests with Transfer-Encoding, which always goes before Content-Length.
func (h *Head) frameCoded(bodyless bool) {
	if h.cl.seen {
		h.note(Ambiguous, BothTeClPresent)
	}
	if bodyless || h.Minor == 0 {
		h.note(Ambiguous, UndefinedTransferEncoding)
	}
	switch {
	case h.te.other && !h.te.bad:
		h.refuse(501)
	case h.te.bad, h.te.chunked > 0 && !h.te.last, h.te.chunked == 0 && h.cl.seen:
		h.note(Severe, BadTransferEncoding)
		h.refuse(400)
	case h.te.chunked == 1:
		h.Chunked, h.Length = true, -1
	}
}
