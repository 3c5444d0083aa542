"""OCI objects and how they are stored and moved. Knows nothing of cargo, YAML, kubectl, or krust."""
