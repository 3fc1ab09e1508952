"""Every name that the helper puts into a run directory."""

from __future__ import annotations

from typing import NamedTuple


class JobFiles(NamedTuple):
    """The files of one entry beside those of its run script; absolute paths."""

    run_dir: str

    @property
    def stdout_path(self) -> str:
        """What the program wrote to its standard output."""
        return f'{self.run_dir}/stdout.log'

    @property
    def stderr_path(self) -> str:
        """What it wrote to its standard error."""
        return f'{self.run_dir}/stderr.log'

    @property
    def both_path(self) -> str:
        """Both, line by line as they came."""
        return f'{self.run_dir}/stdouterr.log'

    @property
    def logs_dir(self) -> str:
        """Links to the logs, for who looks for them in a folder of that name."""
        return f'{self.run_dir}/logs'

    @property
    def results_path(self) -> str:
        """The verdict."""
        return f'{self.run_dir}/results.json'

    @property
    def results_line_path(self) -> str:
        """The verdict as one line."""
        return f'{self.run_dir}/results.jsonl'

    @property
    def telemetry_path(self) -> str:
        """CPU time and memory of the program, over time."""
        return f'{self.run_dir}/telemetry.csv'

    @property
    def gpu_path(self) -> str:
        """What the GPUs did, over time."""
        return f'{self.run_dir}/gpustats.csv'

    @property
    def scratch_dir(self) -> str:
        """Where the program may put what nobody needs afterwards."""
        return f'{self.run_dir}/scratch'

    @property
    def artifacts_dir(self) -> str:
        """What was captured of the environment."""
        return f'{self.run_dir}/artifacts'

    @property
    def ray_logs_dir(self) -> str:
        """Logs of the entry's own Ray cluster."""
        return f'{self.run_dir}/ray_logs'

    @property
    def ray_log_path(self) -> str:
        """What ``ray start`` printed."""
        return f'{self.run_dir}/ray_startup.log'
