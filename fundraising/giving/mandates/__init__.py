"""Monthly giving: a donor's standing promise, one gift a month at most, announced first and ended by one tap."""
