"""Apache Spark itself reads a lake as a folder is read. Skipped where there is none: see tests/support/apache_spark.py."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from benchmarks.town import generate, preset
from detectors.contract import Context, Window
from detectors.engine.runner import scan
from detectors.findings import whole
from detectors.registry import DETECTORS
from detectors.source import SourceMapping, open_source
from tests.support.apache_spark import CATALOGS, QUICK, apache_spark, lacks, version, why_not

lake = pytest.importorskip("tests.support.lake", reason="the extra hearthwatch[spark] is not installed")

BY_DAY = "by day; a window reads all of them, but for files whose"
PARTITIONS = {"parquet": BY_DAY, "delta": BY_DAY, "iceberg": "by days(event_timestamp): a window reads its own"}


@pytest.fixture(scope="module")
def spark_url() -> Iterator[str]:
    if reason := why_not():
        pytest.skip(f"no scan on Apache Spark is tested: {reason}")
    with apache_spark(2, QUICK) as server:
        yield server.url


@pytest.mark.parametrize("form", CATALOGS)
def test_tables_of_its_catalog_are_read_as_a_folder(spark_url: str, tmp_path: Path, form: str) -> None:
    if reason := lacks(form):
        pytest.skip(f"no scan of tables of {form} is tested: {reason}")
    spec = replace(preset("tiny", seed=3, plant=1), households=200, members=600, requests=430, events=2_000)
    generate(spec).write_folder(tmp_path, format="parquet")
    lake.without_uuids(tmp_path)
    schema = f"{CATALOGS[form]}.pets_{form}"
    lake.into_catalog(spark_url, tmp_path, schema, form)
    context = Context(spec.as_of, Window(spec.as_of - timedelta(days=1), spec.as_of))
    with (
        open_source(str(tmp_path), SourceMapping()) as here,
        open_source(f"{spark_url};catalog={CATALOGS[form]};schema=pets_{form}", SourceMapping()) as there,
    ):
        told = {check.topic: check.found for check in there.server_checks()}
        if form != "parquet":
            # A format with versions: what is written once the scan has begun is not seen.
            members = f"{schema}.household_members"
            lake.told(
                spark_url,
                f"DELETE FROM {schema}.households WHERE true",
                f"INSERT INTO {members} SELECT * FROM {members}",
            )
        results = [scan(source, DETECTORS, context) for source in (here, there)]
    assert told["server"] == f"Spark Connect, version {version()}"
    assert told["partitions of household_events"].startswith(PARTITIONS[form])
    first, second = ([whole(one) for one in result.findings] for result in results)
    assert second == first
    assert len(first) > 10
    assert results[1].coverage == results[0].coverage
