"""Coinbase Advanced Trade: its rules, and its dialect from both sides."""
