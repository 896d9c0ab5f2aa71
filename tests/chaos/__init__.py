"""The agent is killed again and again while its receivers and its disk fail; nothing may be lost.

`python -m tests.chaos` is the long form, `test_chaos.py` a short one.
"""
