"""Values and documents of the OCI specifications, pure: no I/O, no environment."""
