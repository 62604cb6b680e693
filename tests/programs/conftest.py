"""The bots are programs, not tests: nothing imports them."""

collect_ignore_glob = ["bots/*"]
