"""Radios behind small ports: advertise, serve, scan, connect; and the framing between."""
