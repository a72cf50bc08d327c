"""Logging: standard error, log lines, the log of calls, traces."""
