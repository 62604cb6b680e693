"""Sums for sibling_bot.py, and a list that remembers: in a new run it must be new too."""

calls = []


def middle(book):
    calls.append(book["timestamp"])
    return (book["bids"][0][0] + book["asks"][0][0]) / 2
