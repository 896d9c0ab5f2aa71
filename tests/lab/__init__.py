"""A traffic lab: small networks of namespaces in which real tools make labelled traffic.

In: a network from the table in :mod:`tests.lab.networks`. Out: a capture from one tap and the
rules that say which of its connections belong to which attack. Nothing leaves the namespaces.
"""
