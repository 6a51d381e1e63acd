"""The live view of a role on a terminal: named steps, countdowns, the QR code, the camera.

plan      the steps of each command, and the events that end them
scene     what there is to show: told events in, lines out; no terminal
screen    lines that stay in place on a terminal, above what a person types
typing    that line, key by key
console   the `Front` that joins them

Written here and not with rich, which alone takes 6.5 MiB of the 45 that an OLD may have while it
waits, and which would have to leave the QR's cells, the question and its half-typed answer alone.
"""
