"""containerd's gRPC messages: as much of its API as Ring uses, made by `scripts/protos`."""
