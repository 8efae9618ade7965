"""The nine statements one after the other on one connection, as psql would send them: python run_plain.py JOB ANSWER."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import psycopg


def main() -> None:
    job_file, answer_file = map(Path, sys.argv[1:])
    job = json.loads(job_file.read_text())
    with psycopg.connect(job["url"], autocommit=True) as connection:
        counts = {name: len(connection.execute(statement).fetchall()) for name, statement in job["checks"].items()}
        version = connection.info.parameter_status("server_version")
    answer_file.write_text(json.dumps({"version": f"PostgreSQL {version}", "counts": counts}))


if __name__ == "__main__":
    main()
