package arn

import "strings"

// Alarm is arn:aws:cloudwatch:R:A:alarm:NAME. A name may have any characters, slashes and colons too.
func (s Scope) Alarm(name string) string {
	return "arn:aws:cloudwatch:" + s.Region + ":" + s.Account + ":alarm:" + name
}

// AlarmName gives the name in the ARN of an alarm, and the scope that it is in; ok is false for anything else.
func AlarmName(s string) (name string, in Scope, ok bool) {
	const parts = 7
	part := strings.SplitN(s, ":", parts)
	if len(part) != parts || part[0] != "arn" || part[1] != "aws" || part[2] != "cloudwatch" || part[5] != "alarm" || part[6] == "" {
		return "", Scope{}, false
	}
	return part[6], Scope{Region: part[3], Account: part[4]}, true
}
