"""A bench job, in a production environment and in a process of its own: `python -m bench.work evaluation_jobs`.

It reads one job from its input as JSON, and answers with a line of JSON. Each job gets its own process, so that its
memory is its own.
"""

import importlib
import json
import subprocess
import sys
from typing import Any

import django

from tests.migrated import copied_from_kept

from .servers import Servers
from .stack import OURS, ROOT, environment


def main() -> None:
    django.setup()
    jobs = importlib.import_module(f"bench.{sys.argv[1]}")  # models exist after setup
    job = json.loads(sys.stdin.read())
    print(json.dumps(getattr(jobs, job.pop("do"))(**job)), flush=True)


def begin(servers: Servers, jobs: str, **job: Any) -> "subprocess.Popen[str]":
    """Start a job of this module without waiting for it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.work", jobs],
        env=environment(servers, settings=OURS),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(job))
    process.stdin.close()
    process.stdin = None  # `communicate` would write to it
    return process


def finish(process: "subprocess.Popen[str]") -> Any:
    """Return the job's answer. Raise RuntimeError with the end of its error output."""
    answer, complaints = process.communicate()
    if process.returncode:
        raise RuntimeError(complaints[-3_000:])
    return json.loads(answer.splitlines()[-1])


def ask(servers: Servers, jobs: str, **job: Any) -> Any:
    """Run a job of this module to its end, and return its answer."""
    return finish(begin(servers, jobs, **job))


def migrate(servers: Servers) -> None:
    """Create the tables of a database that just started: from the tests' kept copy, or by running every migration."""
    if copied_from_kept(host=servers.postgres_folder, user="postgres", name="postgres"):
        return
    command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    subprocess.run(command, env=environment(servers, settings=OURS), cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
