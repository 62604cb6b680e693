"""Latency laws."""
