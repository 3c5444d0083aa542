"""Configuration: what is said of an image, in files, variables and flags, and which of it counts.

keys        the one table of settings
layers      what each place says, checked for its shape
merge       which of it counts
resolve     all of it for one image, with where it came from

No file is written, no network asked, and git only for a fact that a value names.
"""
