"""E-mail as a queue: to the inbound address of any helpdesk, or to a team that is told by e-mail only.

Each message has the same Message-ID however often it is sent, and names the ticket's first message as its reference, so
that answers and later news join one thread. A mail server confirms a message when it takes it; if that answer is lost, the
next run sends the same message again under the same Message-ID, by which mailboxes and helpdesks drop the second one.
Mail tells nobody what people made of a ticket: that is said with `tickets acknowledge` and `tickets resolve`.
"""

from __future__ import annotations

import logging
import re
import smtplib
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Protocol
from urllib.parse import urlsplit

from channels.protocol import Check, DeliveryError, Queue, TicketRef, TicketState
from channels.renderers import Renderers, digest
from channels.settings import HERE, ChannelSettingError, secret, timeout
from reports.message import Message

logger = logging.getLogger("hearthwatch.delivery")
URL = "HEARTHWATCH_SMTP_URL"
USER = "HEARTHWATCH_SMTP_USER"
PASSWORD = "HEARTHWATCH_SMTP_PASSWORD"  # noqa: S105  # the name of a variable
SENDER = "HEARTHWATCH_MAIL_FROM"
_PORTS = {"smtp": 587, "smtps": 465}
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_{|}~-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*")
_MESSAGE_ID = re.compile(r"<hw-[A-Za-z0-9.-]+@[A-Za-z0-9.-]+>")
_FULL = (422, 452, 552)
"""What mail servers answer where a mailbox or a disk is full."""


class Mail(Protocol):
    """The words of an e-mail."""

    @property
    def subject(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def html(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Recipients:
    """To whom a message goes, and who gets a copy."""

    to: str
    copies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MailServer:
    """A server that takes mail, by TLS from the beginning (`smtps`) or from STARTTLS on (`smtp`)."""

    host: str
    port: int
    from_the_beginning: bool
    user: str
    password: str
    seconds: float

    @contextmanager
    def connected(self) -> Iterator[smtplib.SMTP]:
        """A connection that is encrypted, except on this machine, and logged in where there is a user.

        Raises:
            DeliveryError: one line with the remedy, without password or addresses.
        """
        try:
            if self.from_the_beginning:
                connection: smtplib.SMTP = smtplib.SMTP_SSL(
                    self.host, self.port, timeout=self.seconds, context=ssl.create_default_context()
                )
            else:
                connection = smtplib.SMTP(self.host, self.port, timeout=self.seconds)
            with connection:
                connection.ehlo()
                if not self.from_the_beginning and (self.host not in HERE or connection.has_extn("starttls")):
                    connection.starttls(context=ssl.create_default_context())
                    connection.ehlo()
                if self.user:
                    connection.login(self.user, self.password)
                yield connection
        except (OSError, smtplib.SMTPException) as error:
            raise self._trouble(error) from None

    def _trouble(self, error: Exception) -> DeliveryError:
        where = f"Mail server {self.host}:{self.port}"
        if isinstance(error, smtplib.SMTPAuthenticationError):
            return DeliveryError(f"{where}: user or password are not accepted: renew {PASSWORD}", retry=False)
        if isinstance(error, smtplib.SMTPNotSupportedError):
            text = "it offers no STARTTLS or no login; nothing is sent unencrypted: use smtps:// or another server"
            return DeliveryError(f"{where}: {text}", retry=False)
        if isinstance(error, smtplib.SMTPRecipientsRefused):
            codes = {code for code, _ in error.recipients.values()}
            return _refused(f"{where}: it refuses the recipient", min(codes), "is the address right?")
        if isinstance(error, smtplib.SMTPSenderRefused):
            return _refused(f"{where}: it refuses the sender", error.smtp_code, f"set {SENDER} to one it lets you use")
        if isinstance(error, smtplib.SMTPResponseException):
            return _refused(f"{where}: it refuses the message", error.smtp_code, "ask who runs it")
        if isinstance(error, ssl.SSLCertVerificationError):
            text = "its certificate is not trusted; name your own authority with SSL_CERT_FILE"
            return DeliveryError(f"{where}: {text}", retry=False)
        if isinstance(error, TimeoutError):
            return DeliveryError(f"{where}: no answer in time", retry=True)
        if isinstance(error, smtplib.SMTPServerDisconnected):
            return DeliveryError(f"{where}: it broke off without an answer", retry=True)
        reason = (isinstance(error, OSError) and error.strerror) or "the connection failed; is the address right?"
        return DeliveryError(f"{where}: {reason}", retry=True)


def _refused(text: str, code: int, remedy: str) -> DeliveryError:
    if code in _FULL:
        return DeliveryError(f"{text}: {code}, a mailbox or disk is full", retry=True)
    later = 400 <= code < 500
    return DeliveryError(f"{text}: {code}{', for now' if later else f': {remedy}'}", retry=later)


class MailQueue:
    """Tickets that are e-mails. `recipients` says to whom a message goes, `now` what date it bears."""

    def __init__(
        self,
        server: MailServer,
        sender: str,
        recipients: Callable[[Message], Recipients],
        *,
        words: Callable[[Message], Mail],
        renderers: Renderers,
        now: datetime,
    ) -> None:
        self._server = server
        self._sender = sender
        self._recipients = recipients
        self._words = words
        self._render = renderers
        self._now = now

    def find(self, external_id: str) -> TicketRef | None:
        """None: mail cannot be asked what has arrived."""
        return None

    def create(self, external_id: str, message: Message) -> TicketRef:
        message_id = f"<{external_id}@{self._domain}>"
        to = self._send(message, message_id)
        return TicketRef(message_id, f"mailto:{to}")

    def comment(self, ref: TicketRef, key: str, message: Message) -> None:
        first = ref.id.strip("<>").partition("@")[0]
        self._send(message, f"<{first}.{digest(key)}@{self._domain}>", answers=ref.id)

    def update(self, ref: TicketRef, message: Message) -> None:
        """Nothing: what was sent stays as it is, and the comment says what has changed."""

    def state(self, ref: TicketRef) -> TicketState:
        """Open: only people know more."""
        return TicketState("open")

    def check(self) -> list[Check]:
        """Whether the server is there, encrypts and lets us in. Sends nothing."""
        try:
            with self._server.connected() as connection:
                connection.noop()
        except DeliveryError as error:
            return [Check("mail", False, str(error))]
        login = "and lets us in" if self._server.user else "and asks for no login"
        return [Check("mail", True, f"{self._server.host}:{self._server.port} takes mail {login}")]

    @property
    def _domain(self) -> str:
        return self._sender.rpartition("@")[2]

    def _send(self, message: Message, message_id: str, *, answers: str = "") -> str:
        """Send the message, and say to whom it went."""
        words, recipients = self._words(message), self._recipients(message)
        if not is_address(recipients.to):
            raise DeliveryError(f"team {message.team}: its e-mail address in the policy is none", retry=False)
        mail = EmailMessage(policy=SMTP)
        mail["From"] = Address("Hearthwatch", addr_spec=self._sender)
        mail["To"] = Address(addr_spec=recipients.to)
        if recipients.copies:
            mail["Cc"] = [Address(addr_spec=one) for one in recipients.copies]
        mail["Subject"] = f"Re: {words.subject}" if answers else words.subject
        mail["Date"] = format_datetime(self._now)
        mail["Message-ID"] = message_id
        if answers:
            mail["In-Reply-To"] = answers
            mail["References"] = answers
        # Nobody's absence should answer a machine.
        mail["Auto-Submitted"] = "auto-generated"
        mail["X-Auto-Response-Suppress"] = "All"
        mail["X-Hearthwatch-ID"] = message.reference
        mail.set_content(words.text)
        mail.add_alternative(words.html, subtype="html")
        for name, csv in self._render.files(message).items():
            mail.add_attachment(csv.encode(), maintype="text", subtype="csv", filename=name)
        for picture in self._render.pictures(message):
            mail.add_attachment(picture.content, maintype="image", subtype=picture.kind, filename=picture.name)
        with self._server.connected() as connection:
            refused = connection.send_message(mail)
        if recipients.to in refused:
            raise _refused("Mail server: it refuses the recipient", refused[recipients.to][0], "is the address right?")
        if refused:
            logger.warning("the mail server refuses %s of %s copies", len(refused), len(recipients.copies))
        return recipients.to


class ByMail:
    """A helpdesk's queue, beside which the tickets of some teams go by e-mail."""

    def __init__(self, helpdesk: Queue, mail: MailQueue, is_for_mail: Callable[[Message], bool]) -> None:
        self._helpdesk = helpdesk
        self._mail = mail
        self._is_for_mail = is_for_mail

    def find(self, external_id: str) -> TicketRef | None:
        """The helpdesk's: it may have the ticket from a time without mail. Where it cannot be asked, mail must not wait.

        A helpdesk's own ticket is looked for once more before it is made.
        """
        try:
            return self._helpdesk.find(external_id)
        except DeliveryError:
            logger.debug("the helpdesk cannot be asked for %s", external_id, exc_info=True)
            return None

    def create(self, external_id: str, message: Message) -> TicketRef:
        return (self._mail if self._is_for_mail(message) else self._helpdesk).create(external_id, message)

    def comment(self, ref: TicketRef, key: str, message: Message) -> None:
        self._of(ref).comment(ref, key, message)

    def update(self, ref: TicketRef, message: Message) -> None:
        self._of(ref).update(ref, message)

    def state(self, ref: TicketRef) -> TicketState:
        return self._of(ref).state(ref)

    def check(self) -> list[Check]:
        return [*self._helpdesk.check(), *self._mail.check()]

    def _of(self, ref: TicketRef) -> Queue:
        return self._mail if _MESSAGE_ID.fullmatch(ref.id) else self._helpdesk


def is_address(text: str) -> bool:
    """True for one plain e-mail address, in which no mail program decodes anything."""
    return bool(_ADDRESS.fullmatch(text)) and len(text) <= 254 and "=?" not in text


def open_mail_server(environment: Mapping[str, str]) -> tuple[MailServer, str] | None:
    """The mail server of the environment, and the address to send from; None where it names no server.

    Raises:
        ChannelSettingError: an address that is none, a server that would get the password unencrypted, a credential missing.
    """
    url = environment.get(URL, "").strip()
    if not url:
        return None
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        host, port = "", 0
    if not host or not port or parts.path.strip("/") or parts.query:
        raise ChannelSettingError(f"{URL} must look like smtp://HOST:587 or smtps://HOST:465")
    if parts.username is not None or parts.password is not None:
        raise ChannelSettingError(f"{URL}: no user or password in the address; set {USER} and {PASSWORD}")
    sender = environment.get(SENDER, "").strip()
    if not is_address(sender):
        raise ChannelSettingError(
            f"set {SENDER} to the address that mail is sent from, such as hearthwatch@example.com"
        )
    user = environment.get(USER, "").strip()
    password = secret(environment, PASSWORD) if user else ""
    return MailServer(host, port, parts.scheme == "smtps", user, password, timeout(environment)), sender
