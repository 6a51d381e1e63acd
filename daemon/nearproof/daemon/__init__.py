"""Roles, command line, backend: everything that joins the other rooms to the world."""
