// Package inside reads and writes files below a root directory that somebody else arranges, as a container does: paths
// are resolved by the kernel in that root (openat2 with RESOLVE_IN_ROOT), so that no symbolic link leads out of it, not
// even one that is put there at the same moment. Links of /proc that are no real ones lead nowhere. Where there is no
// such root, User reads and writes as somebody else may.
package inside
