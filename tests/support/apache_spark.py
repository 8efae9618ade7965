"""A Spark Connect server of Apache Spark itself, where there is one, and Java 17 or 21.

`make spark` fetches one into the folder .spark of the checkout; SPARK_HOME names another one.

Spark reads Delta and Iceberg by libraries that do not come with it: HEARTHWATCH_TEST_DELTA and HEARTHWATCH_TEST_ICEBERG
name their jars, with a comma between two (delta-spark and delta-storage; iceberg-spark-runtime).
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

_FETCHED = Path(__file__).parents[2] / ".spark"
_START_SECONDS = 120
_JAVAS = ("17", "21")
_SETTINGS = {
    "spark.connect.grpc.binding.address": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.memory": "3g",
    "spark.ui.enabled": "false",
    "spark.sql.catalogImplementation": "in-memory",
}
QUICK = {
    # Tables of tests are small and their server is short-lived: to compile, adapt and divide statements costs more than it saves.
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.shuffle.partitions": "1",
    "spark.sql.lightweightPlanChangeValidation": "false",
    "spark.sql.maxPlanStringLength": "3000",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
}
CATALOGS = {"parquet": "spark_catalog", "delta": "spark_catalog", "iceberg": "ice"}
"""By format the catalog that holds its tables."""
_LIBRARIES = {"delta": "HEARTHWATCH_TEST_DELTA", "iceberg": "HEARTHWATCH_TEST_ICEBERG"}
_OF_LIBRARIES = {
    "delta": {
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.databricks.delta.snapshotPartitions": "1",
    },
    "iceberg": {
        "spark.sql.catalog.ice": "org.apache.iceberg.spark.SparkCatalog",
        "spark.sql.catalog.ice.type": "hadoop",
        "spark.sql.catalog.ice.warehouse": "iceberg",
    },
}


@dataclass(frozen=True, slots=True)
class Served:
    """A running server: its address, as --source takes it before `;folder=…`, and its process."""

    url: str
    pid: int


def _home() -> Path:
    return Path(os.environ.get("SPARK_HOME") or _FETCHED)


def version() -> str:
    """Spark's version, by the name of its library; empty where there is none."""
    found = sorted(_home().glob("jars/spark-connect_*.jar"))
    return found[-1].stem.rpartition("-")[2] if found else ""


def why_not() -> str:
    """Why no server can be started here; empty where one can."""
    if not version():
        return "make spark has not fetched it, and SPARK_HOME names none"
    java = _java()
    if not java:
        return "Apache Spark needs Java, which is not installed"
    return "" if java in _JAVAS else f"Apache Spark needs Java {' or '.join(_JAVAS)}, and here is Java {java}"


def _java() -> str:
    """The release of Java that a server would run on; empty where there is none."""
    program = shutil.which("java")
    home = os.environ.get("JAVA_HOME") or (Path(program).resolve().parents[1] if program else None)
    told = Path(home, "release") if home else None
    if told is None or not told.is_file():
        return ""
    named = dict(line.partition("=")[::2] for line in told.read_text().splitlines())
    return named.get("JAVA_VERSION", "").strip('"').partition(".")[0]


def lacks(form: str) -> str:
    """Why no table of a format can be tested; empty where one can."""
    variable = _LIBRARIES.get(form, "")
    return f"{variable} names no jars" if variable and not os.environ.get(variable) else ""


def _libraries() -> dict[str, str]:
    """The settings by which a server reads the formats whose jars are named."""
    there = [form for form in _LIBRARIES if not lacks(form)]
    jars = {"spark.jars": ",".join(os.environ[_LIBRARIES[form]] for form in there)} if there else {}
    return jars | {name: value for form in there for name, value in _OF_LIBRARIES[form].items()}


def engines() -> str:
    """The servers of Spark Connect that the tests speak to, with their versions."""
    try:
        sail = f"Sail {metadata.version('pysail')}"
    except metadata.PackageNotFoundError:
        sail = "not Sail (its wheel, pysail, is not installed)"
    apache = f"not Apache Spark ({why_not()})" if why_not() else f"Apache Spark {version()}"
    return f"Spark Connect: {sail}, {apache}"


@contextmanager
def apache_spark(cores: int, settings: Mapping[str, str] | None = None) -> Iterator[Served]:
    """A new server with so many cores."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        told = {
            **_SETTINGS,
            "spark.connect.grpc.binding.port": str(port),
            "spark.sql.warehouse.dir": f"{folder}/warehouse",
            **_libraries(),
            **(settings or {}),
        }
        log = Path(folder, "spark.log")
        with log.open("w") as written:
            process = subprocess.Popen(
                [
                    *(f"{_home()}/bin/spark-submit", "--master", f"local[{cores}]"),
                    *("--class", "org.apache.spark.sql.connect.service.SparkConnectServer"),
                    *(word for name, value in told.items() for word in ("--conf", f"{name}={value}")),
                    "spark-internal",
                ],
                cwd=folder,
                env={**os.environ, "SPARK_HOME": str(_home())},
                stdout=written,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
        try:
            _wait_for(process, port, log)
            yield Served(f"spark:sc://127.0.0.1:{port}/", process.pid)
        finally:
            process.terminate()
            process.wait()


def _wait_for(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with socket.socket() as asked:
            if asked.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise RuntimeError(f"Apache Spark did not start:\n{log.read_text()[-4000:]}")
