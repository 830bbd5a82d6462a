"""What finance and auditors take away: exports and statements."""
