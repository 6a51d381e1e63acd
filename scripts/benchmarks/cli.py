"""`nearproof --help`, beside an interpreter that does nothing."""

from __future__ import annotations

import subprocess
import sys
import time

from figures import Figure, of

HEAVY = ("cv2", "bleak", "bless", "bumble")


def measure(*, quick: bool) -> list[Figure]:
    """Wall time of the whole process, and that nothing heavy is imported."""
    runs = 5 if quick else 20
    helps, floors = [], []
    for _ in range(runs):
        floors.append(_wall("-c", "pass"))
        helps.append(_wall("-m", "nearproof.daemon", "--help"))
    code = (
        "import sys; from nearproof.daemon.cli import main\n"
        "try: main(['--help'], prog_name='nearproof')\n"
        f"except SystemExit: print(sum(name in sys.modules for name in {HEAVY}))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    heavy = int(ran.stdout.split()[-1])
    floor = of("", floors, "ms").value
    return [
        of("nearproof --help", helps, "ms", target=150, floor=floor, floor_name="python -c pass"),
        Figure(f"  of {', '.join(HEAVY)} imported by it", heavy, "", 1, target=0),
    ]


def _wall(*arguments: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)
    return (time.perf_counter() - start) * 1000
