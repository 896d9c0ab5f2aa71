"""The held-out protocol: families by group, benign networks, several support draws, paired peers.

In: cleaned `Flows` and a way to train. Out: one record for each (family, K, draw, method).
"""
