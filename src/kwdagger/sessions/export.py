"""A bash script that runs a plan where there is no kwdagger."""

from __future__ import annotations

import os

from kwdagger.plan.job import Plan
from kwdagger.plan.manifest import Surroundings
from kwdagger.rundir.files import replace_file
from kwdagger.rundir.pack import render_export
from kwdagger.sessions.handout import Survey, hand_out


def export_script(plan: Plan, survey: Survey, around: Surroundings, path: str) -> int:
    """Write the run directories and the script; return how many jobs it runs."""
    entries = hand_out(plan, survey, around, None, 'export')
    text = render_export([(entry.name, entry.rundir) for entry in entries])
    replace_file(path, text, os.getpid(), mode=0o777)
    return len(entries)
