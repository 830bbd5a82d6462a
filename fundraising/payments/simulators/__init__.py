"""Each provider's own side of the protocol, on loopback; refused in production."""
