"""From a binary and settings to layer, config and manifest, by plumbing alone; and the base images."""
