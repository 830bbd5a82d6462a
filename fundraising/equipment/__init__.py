"""Devices by serial number: acceptance, installation, inspection, labels, map."""
