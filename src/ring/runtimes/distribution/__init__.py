"""Registries, asked the way the OCI Distribution Specification describes: manifests and blobs, from
a registry itself or from the mirrors that the machine's administrator names for it."""
