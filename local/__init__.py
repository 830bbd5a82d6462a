"""Development machine: servers, supervisor, mail catcher."""
