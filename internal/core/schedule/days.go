package schedule

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// days says which days of a month match: those of both fields, of which at most one restricts anything.
type days struct {
	dom, dow set
	// last is the last day of the month; nearest are those whose nearest weekday in the same month counts, 0 for that of
	// the last day.
	last    bool
	nearest []int
	// nth are the n-th of a weekday, n 0 for the last.
	nth []nth
}

type nth struct{ weekday, n int } // weekday 1 is Sunday

// parseDays reads day-of-month and day-of-week. AWS wants ? in one of them; * there is taken for the same.
func parseDays(dom, dow string) (days, error) {
	d := days{dom: set{offset: domUnit().min}, dow: set{offset: dowUnit().min}}
	open := func(text string) bool { return text == "?" || text == "*" }
	switch {
	case dom == "?" && dow == "?":
		return d, errors.New("day-of-month and day-of-week are both ?; one of them says which days")
	case !open(dom) && !open(dow):
		return d, errors.New("day-of-month and day-of-week are both given; one of them has to be ?")
	}
	if err := d.parse(dom, d.parseDom); err != nil {
		return d, err
	}
	err := d.parse(dow, d.parseDow)
	return d, err
}

// parse reads the items of a field; ? is every day, and stands alone.
func (d *days) parse(text string, item func(string) error) error {
	if text == "?" {
		text = "*"
	}
	for part := range strings.SplitSeq(text, ",") {
		if err := item(part); err != nil {
			return err
		}
	}
	return nil
}

// parseDom reads an item of day-of-month: L, LW, nW, or numbers.
func (d *days) parseDom(item string) error {
	number, weekday := strings.CutSuffix(item, "W")
	switch {
	case item == "L":
		d.last = true
	case item == "LW":
		d.nearest = append(d.nearest, 0)
	case weekday:
		n, err := domUnit().number(number)
		if err != nil {
			return err
		}
		d.nearest = append(d.nearest, n)
	default:
		return domUnit().parseItem(item, &d.dom)
	}
	return nil
}

// parseDow reads an item of day-of-week: L (Saturday), nL, n#m, or numbers and names.
func (d *days) parseDow(item string) error {
	day, count, hash := strings.Cut(item, "#")
	last, ended := strings.CutSuffix(item, "L")
	switch {
	case item == "L":
		d.dow.add(dowUnit().max)
	case hash:
		weekday, err := dowUnit().number(day)
		if err != nil {
			return err
		}
		n, err := digits(count)
		if err != nil || n < 1 || n > 5 {
			return fmt.Errorf("day-of-week: %q is not from 1 to 5, which %s of the month it is", count, day)
		}
		d.nth = append(d.nth, nth{weekday, n})
	case ended:
		weekday, err := dowUnit().number(last)
		if err != nil {
			return err
		}
		d.nth = append(d.nth, nth{weekday, 0})
	default:
		return dowUnit().parseItem(item, &d.dow)
	}
	return nil
}

// in gives the matching days of a month as bits, bit 1 for the first.
func (d *days) in(year int, month time.Month) uint32 {
	first := time.Date(year, month, 1, 0, 0, 0, 0, time.UTC)
	length := first.AddDate(0, 1, -1).Day()
	var mask uint32
	for day := 1; day <= length; day++ {
		weekday := (int(first.Weekday())+day-1)%7 + 1
		if d.domHas(day, length, int(first.Weekday())) && d.dowHas(weekday, day, length) {
			mask |= 1 << day
		}
	}
	return mask
}

// domHas says whether a day matches day-of-month, in a month of a length whose first day is a weekday (0: Sunday).
func (d *days) domHas(day, length, first int) bool {
	if d.dom.has(day) || d.last && day == length {
		return true
	}
	for _, n := range d.nearest {
		if n == 0 {
			n = length
		}
		if n <= length && day == nearestWeekday(n, length, first) {
			return true
		}
	}
	return false
}

// nearestWeekday is the weekday that is nearest to a day without leaving its month.
func nearestWeekday(day, length, first int) int {
	switch (first + day - 1) % 7 {
	case 6: // Saturday
		if day == 1 {
			return 3
		}
		return day - 1
	case 0: // Sunday
		if day == length {
			return day - 2
		}
		return day + 1
	}
	return day
}

// dowHas says whether a day with a weekday (1: Sunday) matches day-of-week, in a month of a length.
func (d *days) dowHas(weekday, day, length int) bool {
	if d.dow.has(weekday) {
		return true
	}
	for _, w := range d.nth {
		if w.weekday == weekday && (w.n == (day+6)/7 || w.n == 0 && day+7 > length) {
			return true
		}
	}
	return false
}
