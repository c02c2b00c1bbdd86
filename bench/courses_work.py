"""A worker of the courses contest, in a production environment: `python -m bench.courses_work`.

It reads one job per line, as JSON, and answers with a line. It calls the use cases as the webhook's task and the
booking view call them, without HTTP.
"""

import importlib
import json
import sys

import django


def main() -> None:
    django.setup()
    jobs = importlib.import_module("bench.courses_jobs")  # models exist after setup
    for line in sys.stdin:
        job = json.loads(line)
        answer = getattr(jobs, job.pop("do"))(**job)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
