"""Celery workers: thin tasks, queues, schedule, and the relay that rings the doorbell."""
