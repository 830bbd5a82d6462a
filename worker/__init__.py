"""Celery workers: thin tasks, queues, schedule, and the relay that rings the doorbell."""

import gc

gc.disable()  # until everything is loaded (worker/app.py): a third of what a start takes
