"""JSON version 1 for programs."""
