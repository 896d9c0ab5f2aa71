"""Set-up of the whole suite."""

from hypothesis import settings

# Machines that run the suite are shared: a slow example is no failure.
settings.register_profile("metatap", deadline=None)
settings.load_profile("metatap")
