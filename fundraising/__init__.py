"""An open-source fundraising platform; :mod:`fundraising.app` puts it together.

This file imports nothing, so that a part that stands alone (a provider's simulator) starts quickly.
"""
