"""Container images for Rust applications, without Docker: the porcelain over plumbing/."""

__version__ = "0.1.0"
