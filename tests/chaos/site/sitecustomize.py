"""Loaded by every Python process of a planted run: puts one defect into the product."""

import os
import sys
from pathlib import Path

if os.environ.get("CHAOS_DEFECT"):
    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
    from tests.chaos import defects

    defects.plant(os.environ["CHAOS_DEFECT"])
