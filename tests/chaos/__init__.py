"""Fault runs: every process is killed and frozen while thousands of notices arrive, and the books are compared.

``python -m tests.chaos`` runs the storm, then plants one defect after another and expects each to be seen.
"""
