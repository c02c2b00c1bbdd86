"""The work of the evaluation's contest, in a production environment: `python -m bench.evaluation_work`.

Reads one job from its input as JSON, and answers with a line of JSON. A process a job, so that its memory is its own.
"""

import importlib
import json
import sys

import django


def main() -> None:
    django.setup()
    jobs = importlib.import_module("bench.evaluation_jobs")  # models exist after setup
    job = json.loads(sys.stdin.read())
    print(json.dumps(getattr(jobs, job.pop("do"))(**job)), flush=True)


if __name__ == "__main__":
    main()
