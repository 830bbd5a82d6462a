"""Benchmarks: every figure a ratio to a reference measured in the same run. Not collected by pytest."""
