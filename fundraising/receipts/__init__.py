"""Receipt confirmations: numbered, rendered, sent, verified."""
