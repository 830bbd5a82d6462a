"""Public pages that join slices."""
