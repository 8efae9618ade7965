"""Addresses of Spark Connect servers, `spark:sc://HOST:PORT/;name=value;…`. No secret leaves this module by a message."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

SCHEME = "spark:"
TOKEN = "HEARTHWATCH_SPARK_TOKEN"  # noqa: S105  # the name of a variable
"""What holds the credential, or TOKEN_FILE the name of a file that does."""
_FORM = "write spark:sc://HOST:15002/;catalog=NAME;schema=NAME, or spark:sc://HOST:15002/;folder=WHERE"
_OURS = frozenset({"catalog", "schema", "folder", "format"})
_PORT = 15002
_FORMATS = ("parquet", "delta", "iceberg", "orc")
_OPTION = re.compile(r"[A-Za-z][\w-]*", re.ASCII)
_HOST = re.compile(r"[\w.-]+|[0-9a-fA-F:.]+", re.ASCII)


class SparkAddressError(ValueError):
    """An address that cannot be used. The message goes on after "the source's address" and holds no part of it."""


@dataclass(frozen=True, slots=True)
class Place:
    """A server, and where in its lake the tables are: in a catalog's schema, or in a folder that the server can read."""

    host: str
    port: int
    options: Mapping[str, str] = field(repr=False)
    """What Spark Connect itself is told: use_ssl, user_id, headers, a token."""
    catalog: str = ""
    schema: str = ""
    folder: str = ""
    format: str = "parquet"

    @property
    def label(self) -> str:
        """For people: without options, any of which may be a secret."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        tables = (
            self.folder.rstrip("/").rpartition("/")[2]
            if self.folder
            else ".".join(filter(None, (self.catalog, self.schema)))
        )
        return f"spark://{host}:{self.port}/{tables}"

    @property
    def url(self) -> str:
        """As the client library takes it, without options."""
        return f"sc://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}/"


def is_spark(where: str) -> bool:
    """Whether `where` is meant as the address of a Spark Connect server."""
    return where.strip().lower().startswith((SCHEME, "sc://"))


def place_at(where: str) -> Place:
    """What an address for which `is_spark` holds says. Raises SparkAddressError."""
    text = where.strip()
    text = text[len(SCHEME) :] if text.lower().startswith(SCHEME) else text
    scheme, parted, rest = text.partition("://")
    if not parted or scheme.lower() != "sc":
        raise SparkAddressError(f"is none of a Spark Connect server: {_FORM}")
    at, _, told = rest.partition(";")
    host, port = _server(at)
    options = _options(told)
    ours = {name: options.pop(name) for name in _OURS & set(options)}
    if "folder" in ours and {"catalog", "schema"} & set(ours):
        raise SparkAddressError("names both a folder and a catalog: name one of them")
    if ours.get("format", "parquet") not in _FORMATS or ("format" in ours and "folder" not in ours):
        raise SparkAddressError(f"may name the format of a folder, {', '.join(_FORMATS)}: correct it")
    return Place(host, port, options, **ours)


def _server(at: str) -> tuple[str, int]:
    try:
        parts = urlsplit(f"http://{at}")
        host, port = parts.hostname or "", parts.port or _PORT
    except ValueError:
        raise SparkAddressError(f"names no host and port that can be read: {_FORM}") from None
    more = parts.username or parts.password or parts.query or parts.fragment
    if more or not _HOST.fullmatch(host) or parts.path not in ("", "/"):
        raise SparkAddressError(f"names no host and port that can be read: {_FORM}")
    return host, port


def _options(told: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for one in filter(None, told.split(";")):
        name, parted, value = one.partition("=")
        if not parted or not _OPTION.fullmatch(name) or not value:
            raise SparkAddressError(
                "has an option that is not name=value: percent-encode what stands in its value (; is %3B)"
            )
        if name in options:
            raise SparkAddressError("names an option twice: leave one out")
        options[name] = unquote(value)
        if not options[name].isprintable():
            raise SparkAddressError("has an option with a control character: write it on one line, without tabs")
        # The client library takes any other spelling for a header, and goes on without TLS.
        if name.lower() == "use_ssl" and (name != "use_ssl" or options[name].lower() not in ("true", "false")):
            raise SparkAddressError("may say use_ssl=true or use_ssl=false: correct it")
    return options
