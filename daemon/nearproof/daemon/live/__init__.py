"""The live view of a role on a terminal: named steps, countdowns, the QR code, the camera.

plan      the steps of each command, and the events that end them
scene     what there is to show: told events in, lines out; no terminal
screen    lines that stay in place on a terminal, above what a person types
typing    that line, key by key
console   the `Front` that joins them

rich wraps and colours the words; it is imported with the first view, for it takes 6 MiB.
"""
