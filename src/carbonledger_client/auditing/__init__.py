"""Auditing a public log from outside: fetch all of it, replay it, hold it against what was seen before."""
