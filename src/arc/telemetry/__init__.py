"""Telemetry: readings of the machine, logs as event and fields, and numbers for Prometheus."""
