"""Documents and pictures, addressed by content, private or public."""
