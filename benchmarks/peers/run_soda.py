"""One Soda contract with the nine statements as failed-rows checks: python run_soda.py JOB ANSWER, in Soda's own environment.

What `soda contract verify` does, called from Python because the command prints no exact counts.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path

from soda_core.contracts.api.verify_api import (  # type: ignore[import-not-found]  # lives in an environment of its own
    verify_contract_locally,
)


def main() -> None:
    job_file, answer_file = map(Path, sys.argv[1:])
    job = json.loads(job_file.read_text())
    server = job["connection"]
    # JSON is YAML.
    source_file, contract_file = job_file.with_name("soda_source.yml"), job_file.with_name("soda_contract.yml")
    connection = {name: server[name] for name in ("host", "port", "user", "password")}
    connection["database"] = server["dbname"]
    source_file.write_text(json.dumps({"type": "postgres", "name": "town", "connection": connection}))
    checks = [
        {"failed_rows": {"name": name, "qualifier": name, "query": statement}}
        for name, statement in job["checks"].items()
    ]
    dataset = f"town/{server['dbname']}/public/households"
    contract_file.write_text(json.dumps({"dataset": dataset, "columns": [{"name": "id"}], "checks": checks}))

    session = verify_contract_locally(data_source_file_path=str(source_file), contract_file_path=str(contract_file))
    results = session.contract_verification_results[0].check_results
    counts = {result.check.name: result.diagnostic_metric_values["failed_rows_count"] for result in results}
    answer_file.write_text(json.dumps({"version": f"soda-core {version('soda-core')}", "counts": counts}))


if __name__ == "__main__":
    main()
