"""The nine statements as unexpected-rows expectations: python run_great_expectations.py JOB ANSWER, in its own environment.

The result format is the one without the rows themselves; great_expectations still reads them, and counts in a second
statement.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path

import great_expectations as gx  # type: ignore[import-not-found]  # lives in an environment of its own
from sqlalchemy import URL


def main() -> None:
    job_file, answer_file = map(Path, sys.argv[1:])
    job = json.loads(job_file.read_text())
    server = job["connection"]
    url = URL.create(
        "postgresql+psycopg2",
        username=server["user"],
        password=server["password"] or None,
        database=server["dbname"],
        # As parameters, because a socket's directory is no host name of a URL.
        query={"host": server["host"], "port": str(server["port"])},
    )
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    source = context.data_sources.add_sql("town", connection_string=url.render_as_string(hide_password=False))
    batch = source.add_table_asset("households", table_name="households").add_batch_definition_whole_table("all")
    names = list(job["checks"])
    suite = gx.ExpectationSuite(
        "nine checks",
        expectations=[
            gx.expectations.UnexpectedRowsExpectation(unexpected_rows_query=job["checks"][name], meta={"check": name})
            for name in names
        ],
    )
    results = batch.get_batch().validate(suite, result_format="BASIC").results
    counts = {
        result.expectation_config.meta["check"]: result.result.get("observed_value")
        for result in results
        if not (result.exception_info or {}).get("raised_exception")
    }
    answer_file.write_text(
        json.dumps({"version": f"great_expectations {version('great_expectations')}", "counts": counts})
    )


if __name__ == "__main__":
    main()
