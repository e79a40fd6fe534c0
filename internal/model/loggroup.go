package model

import "time"

// LogGroup is a group of log streams that somebody made or configured ("LogGroup"). What is in the streams is kept by
// the machines that wrote it, never here.
type LogGroup struct {
	Region        string    `json:"region"`
	Name          string    `json:"name"`
	RetentionDays int       `json:"days,omitempty"` // 0: for ever
	Tags          []Tag     `json:"tags,omitempty"`
	CreatedAt     time.Time `json:"created"`
}

// Key implements Record.
func (g *LogGroup) Key() Key { return LogGroupKey(g.Region, g.Name) }

// LogGroupKey is the key of a log group.
func LogGroupKey(region, name string) Key { return Key{KindLogGroup, region + "/" + name} }
