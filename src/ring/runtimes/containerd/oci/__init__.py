"""The OCI runtime specification of one instance: an order and its image become what runc takes."""
