package codec

// cborNodeSize is about what one item takes once it is decoded to a tree, in bytes.
const cborNodeSize = 64

// Major types of CBOR (RFC 8949, 3.1) that have something after their head.
const (
	majorBytes  = 2
	majorString = 3
	majorList   = 4
	majorMap    = 5
	majorTag    = 6
	majorOther  = 7
)

const (
	cborIndefinite = 31
	cborBreak      = 0xff
)

// checkCBOR reads over one CBOR item without building anything. It holds the
// limits that the decoder of smithy-go does not have: on the depth, on the
// memory, on the lengths that heads claim, and on bytes after the end.
func checkCBOR(data []byte, b *budget) error {
	c := cborChecker{data: data, budget: b}
	if err := c.item(0); err != nil {
		return err
	}
	if c.pos != len(data) {
		return c.fail("bytes after the end of the value")
	}
	return nil
}

type cborChecker struct {
	data   []byte
	pos    int
	budget *budget
}

func (c *cborChecker) fail(reason string) error {
	return &SyntaxError{Format: "CBOR", Offset: c.pos, Reason: reason}
}

func (c *cborChecker) item(depth int) error {
	if depth > depthMax {
		return c.fail("nested too deep")
	}
	if err := c.budget.spend(cborNodeSize); err != nil {
		return err
	}
	major, minor, arg, err := c.head()
	if err != nil {
		return err
	}
	switch major {
	case majorBytes, majorString:
		return c.bytes(minor, arg, major)
	case majorList:
		return c.items(minor, arg, 1, depth)
	case majorMap:
		return c.items(minor, arg, 2, depth)
	case majorTag:
		return c.item(depth + 1)
	case majorOther:
		if minor == cborIndefinite {
			return c.fail("break outside of a list or a map")
		}
	}
	return nil
}

// head reads the first byte of an item and its argument.
func (c *cborChecker) head() (major, minor byte, arg uint64, err error) {
	if c.pos >= len(c.data) {
		return 0, 0, 0, c.fail("unexpected end")
	}
	major, minor = c.data[c.pos]>>5, c.data[c.pos]&31
	c.pos++
	switch {
	case minor < 24:
		return major, minor, uint64(minor), nil
	case minor < 28:
		n := 1 << (minor - 24)
		if len(c.data)-c.pos < n {
			return 0, 0, 0, c.fail("unexpected end")
		}
		for range n {
			arg = arg<<8 | uint64(c.data[c.pos])
			c.pos++
		}
		return major, minor, arg, nil
	case minor == cborIndefinite && major >= majorBytes && major != majorTag:
		return major, minor, 0, nil
	default:
		return 0, 0, 0, c.fail("bad length")
	}
}

// bytes steps over the bytes of a string, or over the definite chunks of one.
func (c *cborChecker) bytes(minor byte, n uint64, major byte) error {
	if minor != cborIndefinite {
		if n > uint64(len(c.data)-c.pos) {
			return c.fail("string longer than the body")
		}
		c.pos += int(n)
		return nil
	}
	for !c.atBreak() {
		chunkMajor, chunkMinor, length, err := c.head()
		if err != nil {
			return err
		}
		if chunkMajor != major || chunkMinor == cborIndefinite {
			return c.fail("bad chunk of a string")
		}
		if err := c.bytes(chunkMinor, length, major); err != nil {
			return err
		}
	}
	return nil
}

// items steps over the elements of a list, or over the entries of a map.
func (c *cborChecker) items(minor byte, n uint64, perEntry, depth int) error {
	if minor != cborIndefinite && n > uint64(len(c.data)-c.pos) {
		return c.fail("list or map longer than the body")
	}
	for i := uint64(0); ; i++ {
		if minor == cborIndefinite {
			if c.atBreak() {
				return nil
			}
		} else if i == n {
			return nil
		}
		for range perEntry {
			if err := c.item(depth + 1); err != nil {
				return err
			}
		}
	}
}

// atBreak steps over the byte that ends an item of indefinite length.
func (c *cborChecker) atBreak() bool {
	if c.pos < len(c.data) && c.data[c.pos] == cborBreak {
		c.pos++
		return true
	}
	return false
}
