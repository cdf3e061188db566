"""The version of this package, which follows that of the daemon."""

__version__ = "0.1.0"
