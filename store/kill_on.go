//go:build crash

package store

import (
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
)

// In a binary that is built with the tag crash the process kills itself, as kill -9
// would, at the kill point whose number, from 1, is in STARQUAKE_KILL_AT. The number of
// points that it has come by is kept in the file that STARQUAKE_KILL_COUNT names.
var (
	killAt, _ = strconv.ParseInt(os.Getenv("STARQUAKE_KILL_AT"), 10, 64)
	killFile  = os.Getenv("STARQUAKE_KILL_COUNT")
	killed    atomic.Int64
)

func killPoint() {
	n := killed.Add(1)
	if killFile != "" {
		_ = os.WriteFile(killFile, []byte(strconv.FormatInt(n, 10)), 0o600)
	}
	if n == killAt {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // it comes at once, but not before this returns
	}
}
