package keeper

import (
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// logName names the number'th file of a container's log.
func logName(id string, number int) string {
	return url.PathEscape(id) + "." + strconv.Itoa(number) + logSuffix
}

// logNumber tells the number of a file of a container's log, of the present form or an older one.
func logNumber(id, name string) (number int, ok bool) {
	digits, ok := strings.CutPrefix(strings.TrimSuffix(name, logSuffix), url.PathEscape(id)+".")
	if !ok {
		return 0, false
	}
	number, err := strconv.Atoi(digits)
	return number, err == nil
}

// fileNumber tells the number of a file of whichever log, 0 for what is none.
func fileNumber(name string) int {
	name = strings.TrimSuffix(name, logSuffix)
	n, _ := strconv.Atoi(name[strings.LastIndexByte(name, '.')+1:])
	return n
}

// NewestLog gives the path of the newest file of a container's log in a keeper's directory, "" if there is none. It asks
// no keeper, and so works where none can be asked.
func NewestLog(dir, id string) string {
	dir = filepath.Join(dir, logsName)
	files, err := os.ReadDir(dir)
	if err != nil {
		return ""
	}
	newest, last := "", -1
	for _, f := range files {
		if n, ok := logNumber(id, f.Name()); ok && n > last {
			newest, last = filepath.Join(dir, f.Name()), n
		}
	}
	return newest
}
