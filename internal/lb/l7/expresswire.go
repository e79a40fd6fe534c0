package l7

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/maitred/maitred/internal/lb/desync"
	"github.com/maitred/maitred/internal/lb/forwarded"
	"github.com/maitred/maitred/internal/lb/tlspolicy"
	"github.com/maitred/maitred/internal/lb/wire"
)

// fieldKind is what becomes of a header field on the express way.
type fieldKind uint8

const (
	fieldPlain fieldKind = iota // passed on
	fieldHop                    // meant for us: it goes no further
	fieldOurs                   // only we may say this
	fieldOdd                    // not for the express way
	fieldHost
	fieldAgent
	fieldConnection
	fieldXFF
	fieldTrace
	fieldLength
	fieldCoding
	fieldDate
	fieldServer
)

// fieldKinds are all names, in lower case, that are not plain.
var fieldKinds = func() map[string]fieldKind {
	kinds := map[string]fieldKind{
		"host": fieldHost, "user-agent": fieldAgent, "x-forwarded-for": fieldXFF, "x-amzn-trace-id": fieldTrace,
		"content-length": fieldLength, "transfer-encoding": fieldCoding, "date": fieldDate, "server": fieldServer,
		"x-forwarded-proto": fieldOurs, "x-forwarded-port": fieldOurs, "x-amzn-tls-version": fieldOurs, "x-amzn-tls-cipher-suite": fieldOurs,
		"expect": fieldOdd,
	}
	for _, name := range hopByHop() {
		if b := lowerName(nil, []byte(name)); kinds[string(b)] == fieldPlain {
			kinds[string(b)] = fieldHop
		}
	}
	kinds["connection"], kinds["upgrade"] = fieldConnection, fieldOdd
	return kinds
}()

// telling has, for each length of a name, the letters that names of this length begin with which are not plain: a bit for
// each. Most names are known to be plain by this alone.
var telling = func() (letters [longestName + 1]uint32) {
	for name := range fieldKinds {
		letters[len(name)] |= 1 << (name[0] & 31)
	}
	return letters
}()

// longestName is the length of the longest name that is looked up.
const longestName = 32

func kindOf(name []byte) fieldKind {
	if len(name) == 0 {
		return fieldPlain
	}
	if len(name) >= len(oidc) && name[0]|0x20 == 'x' && ours(name) {
		return fieldOurs
	}
	if len(name) > longestName || telling[len(name)]>>(name[0]&31)&1 == 0 {
		return fieldPlain
	}
	var scratch [longestName]byte
	return fieldKinds[string(lowerName(scratch[:0], name))]
}

// Names that begin like this are of fields that only a load balancer sets.
const (
	oidc = "x-amzn-oidc-"
	mtls = "x-amzn-mtls-"
)

func ours(name []byte) bool {
	var scratch [len(oidc)]byte
	begin := string(lowerName(scratch[:0], name[:len(oidc)]))
	return begin == oidc || begin == mtls
}

func lowerName(to, name []byte) []byte {
	for _, c := range name {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		to = append(to, c)
	}
	return to
}

// writePlain makes what a target is sent.
func (h *h1) writePlain(ex *exchange) {
	r, p := ex.request, ex.profile
	b := spare(h.asked)
	b = append(b, r.method...)
	b = append(append(append(b, ' '), h.head.Target...), " HTTP/1.1\r\nHost: "...)
	b = forwarded.AppendHost(b, r.host, h.conn.settings.port, p.preserveHost)
	b = append(b, "\r\n"...)
	for i, f := range h.head.Fields {
		switch h.plain.kinds[i] {
		case fieldPlain, fieldDate, fieldServer:
			if p.says(f.Name) {
				continue
			}
			if !plainName(f.Name) {
				if p.dropInvalid {
					r.dropped++
					continue
				}
				r.invalid = true
			}
		case fieldAgent:
			if len(f.Value) == 0 {
				continue
			}
		case fieldXFF, fieldHop, fieldOurs, fieldOdd, fieldHost, fieldConnection, fieldTrace, fieldLength, fieldCoding:
			continue
		}
		b = appendField(b, f.Name, f.Value)
	}
	b = h.appendForwarded(b, p)
	random := ex.server.config.Random
	b = append(b, "X-Amzn-Trace-Id: "...)
	at := len(b)
	b = forwarded.AppendTrace(b, string(h.plain.trace), r.size, r.start, [2]uint64{random(), random()})
	ex.entry.Trace = b[at:]
	if r.length > 0 || r.method == http.MethodPost || r.method == http.MethodPut || r.method == http.MethodPatch {
		b = strconv.AppendInt(append(b, "\r\nContent-Length: "...), r.length, 10)
	}
	b = append(b, "\r\n\r\n"...)
	b = append(b, h.text[r.size:]...)
	h.asked = b
}

// spare empties a buffer to use it again, if it is not too large to be kept.
func spare(b []byte) []byte {
	if cap(b) > spareBuffer {
		return nil
	}
	return b[:0]
}

func appendField(b, name, value []byte) []byte {
	b = append(append(b, name...), ": "...)
	return append(append(b, value...), "\r\n"...)
}

// appendForwarded tells the target of the client.
func (h *h1) appendForwarded(b []byte, p *profile) []byte {
	c := h.conn
	if h.plain.addresses == 0 && p.xffMode != "preserve" && p.xffMode != "remove" && !p.xffPort {
		b = append(b, "X-Forwarded-For: "...)
		b = append(c.client.Addr().AppendTo(b), "\r\n"...)
	} else {
		for _, v := range forwarded.For(h.headerValues("X-Forwarded-For"), c.client, p.xffMode, p.xffPort) {
			b = append(append(append(b, "X-Forwarded-For: "...), v...), "\r\n"...)
		}
	}
	b = append(append(append(b, "X-Forwarded-Proto: "...), c.kind()...), "\r\nX-Forwarded-Port: "...)
	b = append(strconv.AppendInt(b, int64(c.settings.port), 10), "\r\n"...)
	if c.tls != nil && p.tlsHeaders {
		b = append(append(append(b, p.tlsVersion...), ": "...), tlspolicy.VersionName(c.tls.Version)...)
		b = append(append(append(b, "\r\n"...), p.tlsCipher...), ": "...)
		b = append(append(b, tlspolicy.CipherName(c.tls.CipherSuite)...), "\r\n"...)
	}
	return b
}

// plainAnswer is an answer of HTTP/1.1 with a body of known length, or a chunked one.
type plainAnswer struct {
	code    int
	length  int64 // -1 if it is chunked
	chunked bool
	closes  bool
	dated   bool
	fields  []answerField
}

// answerField is a field of an answer, in the buffer of the connection.
type answerField struct {
	name, value []byte
	kind        fieldKind
}

// spareFields is how many fields are remembered room for.
const spareFields = 64

// parse reads a head; it says whether it is plain and without fault. Whatever is not is read again by parseAnswer.
func (a *plainAnswer) parse(raw []byte) bool {
	line, rest := nextLine(raw)
	minor, code, ok := statusLine(line)
	if !ok || minor != 1 || code < 200 || code == http.StatusNoContent || code == http.StatusNotModified {
		return false
	}
	if cap(a.fields) > spareFields {
		a.fields = nil
	}
	*a = plainAnswer{code: code, length: -1, fields: a.fields[:0]}
	for n := 0; ; n++ {
		if line, rest = nextLine(rest); len(line) == 0 {
			return a.chunked != (a.length >= 0)
		}
		name, value, ok := bytes.Cut(line, []byte{':'})
		if !ok || n == maxAnswerFields || !desync.IsTokenBytes(name) || !desync.IsValueBytes(value) {
			return false
		}
		f := answerField{name, trimmed(value), kindOf(name)}
		if !a.judge(f) {
			return false
		}
		a.fields = append(a.fields, f)
	}
}

func trimmed(b []byte) []byte { return bytes.Trim(b, " \t") }

// judge says whether a field is plain, and keeps what it says of the answer.
func (a *plainAnswer) judge(f answerField) bool {
	switch value := f.value; f.kind {
	case fieldLength:
		n, ok := desync.Number(string(value))
		if !ok || a.length >= 0 {
			return false
		}
		a.length = n
	case fieldConnection:
		switch {
		case bytes.EqualFold(value, []byte("close")):
			a.closes = true
		case !bytes.EqualFold(value, []byte("keep-alive")):
			return false
		}
	case fieldDate:
		a.dated = a.dated || len(value) > 0
		return len(value) > 0
	case fieldCoding:
		if a.chunked || !bytes.EqualFold(value, []byte("chunked")) {
			return false
		}
		a.chunked = true
	case fieldOdd:
		return false
	case fieldPlain, fieldHop, fieldOurs, fieldHost, fieldAgent, fieldXFF, fieldTrace, fieldServer:
	}
	return true
}

// append makes the head that the client is sent.
func (a *plainAnswer) append(b []byte, h *h1, hideServer bool) []byte {
	b = append(strconv.AppendInt(append(b, "HTTP/1.1 "...), int64(a.code), 10), ' ')
	b = append(append(b, http.StatusText(a.code)...), "\r\n"...)
	if a.chunked {
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	} else {
		b = append(strconv.AppendInt(append(b, "Content-Length: "...), a.length, 10), "\r\n"...)
	}
	if h.out.close {
		b = append(b, "Connection: close\r\n"...)
	}
	if !a.dated {
		b = append(b, "Date: "...)
		b = append(append(b, h.conn.server.date(h.ex.firstAt)...), "\r\n"...)
	}
	for _, f := range a.fields {
		switch f.kind {
		case fieldHop, fieldConnection, fieldLength, fieldCoding, fieldOdd:
			continue
		case fieldServer:
			if hideServer {
				continue
			}
		case fieldPlain, fieldOurs, fieldHost, fieldAgent, fieldXFF, fieldTrace, fieldDate:
		}
		b = appendField(b, f.name, f.value)
	}
	return append(b, "\r\n"...)
}

// bring sends a plain answer to the client: its head and what came with it in one piece.
func (ex *exchange) bring(p *pool, c *targetConn, a *plainAnswer, raw []byte) {
	h := ex.client.(*h1)
	ex.told(a.code)
	ex.entry.Code = a.code
	h.out.beginPlain(h.conn.server.isDraining())
	b := a.append(spare(h.plainHead), h, ex.profile.hideServer)
	ex.entry.Response = 0 // it begins at once
	ex.began = true
	c.in.take(len(raw))
	if err, byClient := ex.bringBody(h, c, a, b); err != nil {
		h.out.noteError(err)
		ex.stopped(c, err, byClient)
		return
	}
	ex.endedAt = ex.server.now()
	if ex.dismount() && !a.closes {
		p.put(c, ex.endedAt)
		return
	}
	_ = c.Close()
}

// bringBody sends the head, which is b, and the body.
func (ex *exchange) bringBody(h *h1, c *targetConn, a *plainAnswer, b []byte) (err error, byClient bool) { //nolint:revive // whose fault comes second
	if a.chunked {
		return ex.bringChunks(h, c, b)
	}
	came := c.in.buffered()
	came = came[:min(int64(len(came)), a.length)]
	b = append(b, came...)
	c.in.take(len(came))
	h.plainHead = b
	if _, err := h.wire.write(b, ex.firstAt); err != nil {
		return err, true
	}
	return ex.carry(h, c, a.length-int64(len(came)))
}

// stopped ends a response that cannot be finished.
func (ex *exchange) stopped(c *targetConn, err error, byClient bool) {
	ex.dismount()
	_ = c.Close()
	ex.broken(err, byClient)
}

const (
	longBody    = 64 << 10 // bodies that are longer are moved within the kernel
	leastBurst  = 64 << 10
	mostBurst   = 1 << 20
	quickBurst  = 100 * time.Millisecond
	tediousOnes = time.Second
)

// carry sends the rest of a body.
func (ex *exchange) carry(h *h1, c *targetConn, left int64) (err error, byClient bool) { //nolint:revive // whose fault comes second
	if left == 0 {
		return nil, false
	}
	h.life.beat()
	if left > longBody {
		from, isTCP := c.Conn.(*net.TCPConn)
		if to, both := h.conn.Conn.(*net.TCPConn); isTCP && both {
			return ex.splice(h, to, from, c, left)
		}
	}
	buf := ex.server.groups.buffer()
	defer ex.server.groups.copies.Put(buf)
	for left > 0 {
		n, err := c.in.Read((*buf)[:min(int64(len(*buf)), left)])
		left -= int64(n)
		h.life.beat()
		if n > 0 {
			if _, werr := h.wire.Write((*buf)[:n]); werr != nil {
				return werr, true
			}
		}
		if err != nil && left > 0 {
			return cutShort(err), false
		}
	}
	return nil, false
}

func cutShort(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// splice lets the kernel move a long body. It does so in bursts, each a sign of life: short ones for slow clients.
func (ex *exchange) splice(h *h1, to, from *net.TCPConn, c *targetConn, left int64) (err error, byClient bool) { //nolint:revive // as carry
	wire.Bulk(to)
	part := io.LimitedReader{R: from}
	for burst := int64(leastBurst); left > 0; {
		part.N = min(left, burst)
		began := time.Now()
		h.wire.renew(began)
		n, err := to.ReadFrom(&part)
		left -= n
		h.wire.n += n
		h.life.beat()
		switch {
		case err != nil:
			return err, c.silent()
		case n == 0:
			return io.ErrUnexpectedEOF, false
		}
		switch took := time.Since(began); {
		case took < quickBurst:
			burst = min(2*burst, mostBurst)
		case took > tediousOnes:
			burst = leastBurst
		}
	}
	return nil, false
}
