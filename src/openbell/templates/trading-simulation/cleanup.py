"""Removes what the workers of this example have written; the market stays. `python cleanup.py`"""

import shutil
from pathlib import Path

OUTPUT = Path(__file__).parent / "output"

for namespace in ("Demo", "MonteCarlo", "Sim_batch", "Sim_replay", "analysis"):
    folder = OUTPUT / namespace
    if folder.is_dir():
        shutil.rmtree(folder)
        print(f"removed {folder.relative_to(OUTPUT.parent)}")
