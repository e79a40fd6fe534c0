package routing

// node is a part of a listener's rules, by their positions.
type node struct {
	flat []int32
}

func buildIndex(rules []*compiled) *node {
	n := &node{}
	for i := range rules {
		n.flat = append(n.flat, int32(i))
	}
	return n
}

// lookup gives the position of the first rule that matches, or best if none before it does.
func (n *node) lookup(rules []*compiled, s *subject, best int) int {
	for _, i := range n.flat {
		if int(i) >= best {
			return best
		}
		if rules[i].matches(s) {
			return int(i)
		}
	}
	return best
}
