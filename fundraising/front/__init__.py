"""In front of Flask: bodies are awaited without a thread, so that slow senders hold up nobody."""
