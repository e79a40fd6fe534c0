package arn

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// IDs is a source of 16 random bytes each time it is asked: crypto/rand in production, a seeded counter in simulations.
// Its methods shape them as ECS does.
type IDs func() [16]byte

// Hex is the id of a task or a container instance: 32 hex digits.
func (ids IDs) Hex() string {
	b := ids()
	return hex.EncodeToString(b[:])
}

// Deployment is the id of a deployment: "ecs-svc/" and 19 digits.
func (ids IDs) Deployment() string {
	b := ids()
	return fmt.Sprintf("ecs-svc/%019d", binary.BigEndian.Uint64(b[:8])%1e18*10+uint64(b[8]%10))
}

// Token is the id of a service deployment: 21 characters of the URL-safe base64 alphabet.
func (ids IDs) Token() string {
	b := ids()
	return base64.RawURLEncoding.EncodeToString(b[:])[:21]
}

// UUID is a version 4 UUID with hyphens.
func (ids IDs) UUID() string {
	return UUID(ids())
}

// UUID shapes 16 bytes as a version 4 UUID.
func UUID(b [16]byte) string {
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
