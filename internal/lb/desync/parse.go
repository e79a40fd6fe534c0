package desync

import "bytes"

// Scan looks for the end of a head in what is read little by little. Each byte is looked at once.
type Scan struct {
	at, line int // looked at so far; where the present line begins
	// First and Longest are the lengths of the request line, and of the longest line after it, as far as they were seen.
	First, Longest int
}

// End gives the offset after the empty line that ends the head, 0 if it has not come yet. read is all that was read: what
// an earlier call was given, and more. Empty lines in front are not part of a head: see Blank.
func (s *Scan) End(read []byte) int {
	for {
		n := bytes.IndexByte(read[s.at:], '\n')
		if n < 0 {
			s.at = len(read)
			s.measure(s.at - s.line)
			return 0
		}
		s.at += n + 1
		length := s.at - s.line
		s.measure(length)
		if s.line > 0 && (length == 1 || length == 2 && read[s.line] == '\r') {
			return s.at
		}
		s.line = s.at
	}
}

func (s *Scan) measure(length int) {
	if s.line == 0 {
		s.First = length
	} else {
		s.Longest = max(s.Longest, length)
	}
}

// Blank counts the bytes of empty lines in front of a request line: a server should ignore at least one (RFC 9112, 2.2).
func Blank(read []byte) int {
	switch {
	case len(read) > 0 && read[0] == '\n':
		return 1
	case len(read) > 1 && read[0] == '\r' && read[1] == '\n':
		return 2
	}
	return 0
}

// Parse reads a head that Scan has found. It uses h's memory again.
func (h *Head) Parse(raw []byte) {
	*h = Head{Fields: h.Fields[:0]}
	line, rest := h.line(raw)
	h.requestLine(line)
	h.fields(rest)
	h.frame()
	h.checkHost()
}

// line takes the next line off.
func (h *Head) line(raw []byte) (line, rest []byte) {
	n := bytes.IndexByte(raw, '\n')
	if n < 0 {
		h.note(Severe, BadHeader)
		h.refuse(400)
		return raw, nil
	}
	line, rest = raw[:n], raw[n+1:]
	if n > 0 && line[n-1] == '\r' {
		return line[:n-1], rest
	}
	h.note(Acceptable, NonCRLFLineTermination)
	return line, rest
}

func (h *Head) requestLine(line []byte) {
	first := bytes.IndexByte(line, ' ')
	last := bytes.LastIndexByte(bytes.TrimRight(line, " \t"), ' ')
	if first < 0 || last <= first {
		h.shortLine(line, first)
		return
	}
	h.Method, h.Target, h.Version = line[:first], line[first+1:last], line[last+1:]
	h.checkMethod()
	h.checkVersion()
	h.checkTarget()
}

// shortLine judges a request line of less than three parts: a version or a target is missing. HTTP/0.9 is not spoken.
func (h *Head) shortLine(line []byte, first int) {
	h.refuse(400)
	if first < 0 {
		h.Method = line
		h.checkMethod()
		h.note(Ambiguous, MissingURI)
		return
	}
	h.Method, h.Target = line[:first], line[first+1:]
	h.checkMethod()
	if bytes.HasPrefix(h.Target, []byte("HTTP/")) {
		h.Target, h.Version = nil, h.Target
		h.note(Ambiguous, MissingURI)
		return
	}
	h.note(Acceptable, NonCompliantVersion)
	h.checkTarget()
}

func (h *Head) checkMethod() {
	if !isToken(h.Method) {
		h.note(Severe, BadMethod)
		h.refuse(400)
	}
}

func (h *Head) checkVersion() {
	v := trim(h.Version)
	if len(v) == 8 && string(v[:7]) == "HTTP/1." && isDigit(v[7]) {
		if len(v) != len(h.Version) || v[7] > '1' {
			h.note(Acceptable, NonCompliantVersion)
		}
		h.Minor = min(int(v[7]-'0'), 1)
		return
	}
	if len(v) >= 6 && string(v[:5]) == "HTTP/" && isDigit(v[5]) && v[5] != '1' {
		h.refuse(505)
	}
	h.note(Severe, BadVersion)
	h.refuse(400)
}

func (h *Head) checkTarget() {
	if len(h.Target) == 0 {
		h.note(Ambiguous, MissingURI)
		h.refuse(400)
	}
	for _, b := range h.Target {
		switch {
		case b > ' ' && b != 0x7f:
			continue
		case b == '\r' || b == 0:
			h.note(Severe, BadURI)
		case b == ' ':
			h.note(Acceptable, SpaceInURI)
		default:
			h.note(Ambiguous, AmbiguousURI)
		}
		h.spaced = true
	}
}

func (h *Head) checkHost() {
	if h.hosts > 1 || h.hosts == 0 && h.Minor == 1 || !validHost(h.host) {
		h.note(Severe, BadHeader)
		h.refuse(400)
	}
}

// validHost accepts what may stand in a Host field: a name or an address, and a port. User names, paths and lists are what
// two programs read differently.
func validHost(host []byte) bool {
	for _, b := range host {
		if !isAlnum(b) && b < 0x80 && bytes.IndexByte([]byte("-._~:[]%!$&'()*+;="), b) < 0 {
			return false
		}
	}
	return true
}

// WriteTarget appends a target in a form that has one meaning on a request line: controls and spaces are percent-encoded.
func WriteTarget(to, target []byte) []byte {
	const hex = "0123456789ABCDEF"
	for _, b := range target {
		if b <= ' ' || b == 0x7f {
			to = append(to, '%', hex[b>>4], hex[b&15])
			continue
		}
		to = append(to, b)
	}
	return to
}

// Plain says that the target can be written as it came.
func (h *Head) Plain() bool { return !h.spaced }

// Plain says that a target can be written as it is.
func Plain(target string) bool {
	for i := range len(target) {
		if target[i] <= ' ' || target[i] == 0x7f {
			return false
		}
	}
	return true
}

// ValidHost accepts what may stand in a Host field: a name or an address, and a port; "" is none.
func ValidHost(host string) bool { return validHost([]byte(host)) }

// IsToken says whether a name may be that of a field.
func IsToken(name string) bool {
	for i := range len(name) {
		if !tokens[name[i]] {
			return false
		}
	}
	return name != ""
}

// IsValue says whether a value may be that of a field: it has no control bytes.
func IsValue(value string) bool {
	for i := range len(value) {
		if b := value[i]; b < ' ' && b != '\t' || b == 0x7f {
			return false
		}
	}
	return true
}

// IsTokenBytes is IsToken of bytes.
func IsTokenBytes(name []byte) bool { return isToken(name) }

// IsValueBytes is IsValue of bytes.
func IsValueBytes(value []byte) bool {
	for _, b := range value {
		if b < ' ' && b != '\t' || b == 0x7f {
			return false
		}
	}
	return true
}

// Number reads a Content-Length: digits and nothing else, and no more than fits into an int64.
func Number(value string) (int64, bool) { return number([]byte(value)) }

// Reserved says whether a field says where a body ends, or may be taken for one that does: it is never passed on as it is.
func Reserved(name string) bool {
	b := []byte(name)
	return similar(b, transferEncoding) != distant || similar(b, contentLength) != distant
}
