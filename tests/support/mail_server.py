"""A real mail server in this process: TLS, user and password, and mailboxes that can be full."""

from __future__ import annotations

import email
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

USER, PASSWORD = "hearthwatch", "a-mail-password"


@dataclass
class MailServer:
    """A running server. `answers` are given instead of taking the next messages; `breaks_off` loses that many answers."""

    authority: Path
    """The certificate of the authority that clients must trust."""
    port: int
    mails: list[EmailMessage] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    breaks_off: int = 0
    refused: set[str] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"smtp://localhost:{self.port}"

    def environment(self) -> dict[str, str]:
        """The variables by which the program finds the server."""
        return {
            "HEARTHWATCH_SMTP_URL": self.url,
            "HEARTHWATCH_SMTP_USER": USER,
            "HEARTHWATCH_SMTP_PASSWORD": PASSWORD,
            "HEARTHWATCH_MAIL_FROM": "hearthwatch@petforce.test",
            "SSL_CERT_FILE": str(self.authority),
        }

    def mailbox(self) -> dict[str, EmailMessage]:
        """What a mailbox keeps that drops a message whose Message-ID it has."""
        return {str(mail["Message-ID"]): mail for mail in self.mails}


class _Handler:
    def __init__(self, server: MailServer) -> None:
        self.server = server

    async def handle_RCPT(  # noqa: N802  # the server wants these names
        self, smtp: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.server.refused:
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, smtp: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802  # likewise
        if self.server.answers:
            return self.server.answers.pop(0)
        assert isinstance(envelope.content, bytes)
        mail = email.message_from_bytes(envelope.content, policy=default)
        assert isinstance(mail, EmailMessage)
        mail["X-Envelope-To"] = ", ".join(envelope.rcpt_tos)
        self.server.mails.append(mail)
        if self.server.breaks_off:
            self.server.breaks_off -= 1
            assert smtp.transport is not None
            smtp.transport.close()
        return "250 taken"


def _login(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    known = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=known, handled=False)


@contextmanager
def mail_server(folder: Path, *, tls: bool = True, from_the_beginning: bool = False) -> Iterator[MailServer]:
    """A running server with a certificate of an authority of its own; without `tls` it offers no encryption."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(folder / "authority.pem")
    server = MailServer(folder / "authority.pem", _free_port())
    needs_login = tls or from_the_beginning
    controller = Controller(
        _Handler(server),
        hostname="127.0.0.1",
        port=server.port,
        ssl_context=context if from_the_beginning else None,
        tls_context=context if tls and not from_the_beginning else None,
        require_starttls=tls and not from_the_beginning,
        authenticator=_login if needs_login else None,
        auth_required=needs_login,
        auth_require_tls=tls and not from_the_beginning,
    )
    controller.start()
    try:
        yield server
    finally:
        controller.stop()


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
