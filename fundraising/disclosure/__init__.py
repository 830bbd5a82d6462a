"""The public story of how funds are used."""
