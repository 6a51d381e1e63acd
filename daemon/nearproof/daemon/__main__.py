"""`python -m nearproof.daemon` is `nearproof`."""

from nearproof.daemon.cli import main

main(prog_name="nearproof")
