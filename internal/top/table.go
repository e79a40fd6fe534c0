package top

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// column is one of a table.
type column struct {
	title string
	right bool // aligned
	// least and most are between which widths it may be, 0 for one that is never narrower than what it says. When there is
	// no room, the columns of the highest rank go first. Those of rank 0 stay.
	least, most, rank int
	// cell is what it says of a row, for a width.
	cell func(row, width int) string
}

// table is rows of columns.
type table struct {
	columns []column
	rows    int
	wrong   func(row int) bool // something is not as it should be
}

const gap = 2

// render writes the table so that no line is wider than width, its head first.
func (t *table) render(width int) []string {
	columns, widths := t.fit(width)
	lines := make([]string, 0, t.rows+1)
	for row := -1; row < t.rows; row++ {
		cells := make([]string, len(columns))
		for i, c := range columns {
			text := c.title
			if row >= 0 {
				text = c.cell(row, widths[i])
			}
			cells[i] = pad(text, widths[i], c.right)
		}
		lines = append(lines, clip(strings.TrimRight(strings.Join(cells, strings.Repeat(" ", gap)), " "), width))
	}
	return lines
}

// fit chooses the columns and their widths.
func (t *table) fit(width int) (columns []column, widths []int) {
	columns = t.columns
	for {
		widths = t.natural(columns)
		over := gap*(len(columns)-1) - width
		for _, w := range widths {
			over += w
		}
		if shrink(columns, widths, over) {
			return columns, widths
		}
		worst := 0
		for i, c := range columns {
			if c.rank > columns[worst].rank {
				worst = i
			}
		}
		if columns[worst].rank == 0 {
			return columns, widths
		}
		columns = append(append([]column{}, columns[:worst]...), columns[worst+1:]...)
	}
}

// natural is how wide the columns would like to be.
func (t *table) natural(columns []column) []int {
	widths := make([]int, len(columns))
	for i, c := range columns {
		widths[i] = max(c.least, utf8.RuneCountInString(c.title))
		for row := range t.rows {
			widths[i] = max(widths[i], min(c.most, utf8.RuneCountInString(c.cell(row, c.most))))
		}
	}
	return widths
}

// shrink takes so many cells from the columns that can give some, each from the one that is the widest then; false if that
// is not enough.
func shrink(columns []column, widths []int, over int) bool {
	for ; over > 0; over-- {
		widest := -1
		for i, c := range columns {
			gives := c.least > 0 && widths[i] > max(c.least, utf8.RuneCountInString(c.title))
			if gives && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			return false
		}
		widths[widest]--
	}
	return true
}

// pad makes a text as wide as its column.
func pad(text string, width int, right bool) string {
	text = clip(text, width)
	fill := strings.Repeat(" ", max(0, width-utf8.RuneCountInString(text)))
	if right {
		return fill + text
	}
	return text + fill
}

// clip cuts a text at a width and marks it, and leaves out of it what would steer the terminal or be wider than a cell.
func clip(text string, width int) string {
	runes := []rune(strings.Map(narrow, text))
	switch {
	case width <= 0:
		return ""
	case len(runes) <= width:
		return string(runes)
	}
	return string(runes[:width-1]) + "…"
}

// narrow replaces what is not known to be one cell wide on every terminal.
func narrow(r rune) rune {
	const latin, blocks, endOfBlocks = 0x250, 0x2581, 0x2588
	switch {
	case r == '…' || r >= blocks && r <= endOfBlocks:
		return r
	case r < latin && unicode.IsPrint(r) && r != '\u00ad': // a soft hyphen has no width
		return r
	}
	return '?'
}
