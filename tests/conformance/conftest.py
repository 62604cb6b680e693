"""What runs in an environment of its own is not imported in this one."""

collect_ignore = ["with_ccxt.py", "with_ccxt_pro.py", "with_advanced_py.py"]
