"""What a worker counts. Names of jobs come from the code, so the labels are few; no organization is ever a label."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

JOBS: Final = Counter("carbonledger_jobs", "Attempts that ended, by job and outcome.", ("name", "outcome"))
SECONDS: Final = Histogram(
    "carbonledger_job_duration_seconds",
    "Seconds an attempt took, by job.",
    ("name",),
    buckets=(0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600),
)
RUNNING: Final = Gauge("carbonledger_jobs_running", "Jobs that this worker runs now.")
DEPTH: Final = Gauge("carbonledger_queue_depth", "Jobs that are due and wait.")
OLDEST_S: Final = Gauge("carbonledger_queue_oldest_age_seconds", "Seconds the oldest of them has been due.")
