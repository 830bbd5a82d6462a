"""Appeals to the public: goals, filing data, updates, life cycle."""
