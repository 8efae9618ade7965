"""A real Request Tracker 5 of our own: private configuration, an SQLite file, one queue, a robot and a person.

Nothing outside its folder is touched. The robot `hearthwatch` has the rights that docs/connect.md names and no others;
for each of these rights there is another robot that lacks it. The person `kim` may do everything. Making the database takes seven seconds, so it is made once and copied.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from filelock import FileLock

SERVER = Path("/usr/share/request-tracker5/libexec/rt-server")
SET_UP = Path("/usr/sbin/rt-setup-database-5")
QUEUE = "Escalations"
OTHER_QUEUE = "Back office"
ROBOT, PERSON, PERSON_PASSWORD = "hearthwatch", "kim", "throwaway"
RIGHTS = ("SeeQueue", "CreateTicket", "ShowTicket", "ShowTicketComments", "CommentOnTicket")
OPTIONAL_RIGHTS = ("ModifyTicket",)
FIELD_RIGHTS = ("SeeCustomField", "SetInitialCustomField")
START_SECONDS = 60

_CONFIGURATION = """
Set($rtname, 'hearthwatch.test');
Set($Organization, 'hearthwatch.test');
Set($WebDomain, '127.0.0.1');
Set($WebPort, {port});
Set($DatabaseType, 'SQLite');
Set($DatabaseName, '{folder}/rt.db');
Set($MasonDataDir, '{folder}/mason');
Set($MasonSessionDir, '{folder}/sessions');
Set($LogToSyslog, undef);
Set($LogToSTDERR, 'warning');
Set($MailCommand, 'testfile');
Set($HTMLFormatter, 'core');
Set($Timezone, 'UTC');
# Every request with a token costs 0.3 s otherwise.
Set($BcryptCost, 4);
Set(%Lifecycles, workshop => {{
    initial => ['new'], active => ['on the bench'], inactive => ['mended', 'deleted'],
    defaults => {{ on_create => 'new' }},
    transitions => {{
        '' => ['new'], new => ['on the bench', 'mended', 'deleted'], 'on the bench' => ['mended', 'deleted'],
        mended => ['on the bench'], deleted => ['new'],
    }},
    rights => {{ '* -> *' => 'ModifyTicket' }},
}});
1;
"""

_CONTENTS = """
our @Queues = ({{ Name => '{queue}' }}, {{ Name => '{other_queue}' }}, {{ Name => 'Workshop', Lifecycle => 'workshop' }});
our @CustomFields = map +{{
    Name => $_, Type => 'FreeformSingle', LookupType => 'RT::Queue-RT::Ticket', Queue => 0
}}, 'Hearthwatch ID', 'Hearthwatch Severity';
my @rights = qw({rights});
my @field_rights = qw({field_rights});
# They imply some of the others, so only the robot that lacks nothing has them.
my @optional = qw({optional_rights});
my @robots = ('{robot}', map "without-$_", @rights, @field_rights, @optional);
our @Users = map +{{ Name => $_, EmailAddress => "$_\\@hearthwatch.test", Privileged => 1 }}, @robots;
push @Users, {{
    Name => '{person}', EmailAddress => '{person}@hearthwatch.test', Privileged => 1, Password => '{password}'
}};
our @ACL = ({{ UserId => '{person}', Right => 'SuperUser' }});
for my $robot (@robots) {{
    for my $queue ('{queue}', 'Workshop') {{
        push @ACL, map +{{ UserId => $robot, Queue => $queue, Right => $_ }}, grep $robot ne "without-$_", @rights;
        push @ACL, map +{{ UserId => $robot, Queue => $queue, Right => $_ }}, $robot eq '{robot}' ? @optional : ();
    }}
    for my $field ('Hearthwatch ID', 'Hearthwatch Severity') {{
        push @ACL, map +{{ UserId => $robot, CF => $field, LookupType => 'RT::Queue-RT::Ticket', Right => $_ }},
            grep $robot ne "without-$_", @field_rights;
    }}
}}
our @Final = (sub {{
    for my $name (@robots, '{person}') {{
        my $user = RT::User->new(RT->SystemUser);
        $user->Load($name);
        my $token = RT::AuthToken->new(RT->SystemUser);
        my ($made, $why, $text) = $token->Create(Owner => $user->Id, Description => 'test');
        die "no token: $why" unless $made;
        open my $file, '>', "{folder}/$name.token" or die $!;
        print $file $text;
        close $file;
    }}
}});
1;
"""


class RequestTrackerUnavailableError(Exception):
    """RT cannot be run on this machine; the text says why."""


class RequestTracker:
    """One RT in `folder`. `token` is the robot's; `person` is a client of the person's."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = _free_port()
        self._server: subprocess.Popen[bytes] | None = None
        self.url = f"http://127.0.0.1:{self._port}"
        self.token = (folder / f"{ROBOT}.token").read_text().strip()
        _configure(folder, self._port)
        token = (folder / f"{PERSON}.token").read_text().strip()
        self.person = httpx.Client(
            base_url=f"{self.url}/REST/2.0", headers={"Authorization": f"token {token}"}, timeout=60, trust_env=False
        )

    def start(self) -> None:
        """Start the server and wait until it answers."""
        with (self._folder / "server.log").open("ab") as log:
            self._server = subprocess.Popen(
                # The server goes when its parent does, even if that is killed.
                ["setpriv", "--pdeathsig", "TERM", SERVER, "--host", "127.0.0.1", "--port", str(self._port)],
                env=_environment(self._folder),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._server.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RequestTrackerUnavailableError((self._folder / "server.log").read_text(errors="replace")[-2000:])
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            return self.person.get("/rt").status_code == 200
        except httpx.TransportError:
            return False

    def stop(self) -> None:
        """Stop the server with all its children."""
        if self._server is not None:
            os.killpg(self._server.pid, signal.SIGTERM)
            self._server.wait()
            self._server = None

    def revoke_token(self) -> None:
        """As an administrator does: the robot's token is not accepted any more, until restore_token."""
        self._execute("UPDATE AuthTokens SET Token = '!' || Token WHERE Owner = (SELECT id FROM Users WHERE Name = ?)")

    def restore_token(self) -> None:
        self._execute("UPDATE AuthTokens SET Token = substr(Token, 2) WHERE Token LIKE '!%' AND Owner = "
                      "(SELECT id FROM Users WHERE Name = ?)")  # fmt: skip

    def _execute(self, statement: str) -> None:
        with sqlite3.connect(self._folder / "rt.db", timeout=30) as database:
            assert database.execute(statement, (ROBOT,)).rowcount == 1
        database.close()

    def token_without(self, right: str) -> str:
        """The token of a robot that lacks one of the rights above."""
        return (self._folder / f"without-{right}.token").read_text().strip()

    def tickets(self, external_id: str) -> list[dict[str, Any]]:
        """All tickets that were ever made for `external_id`, merged ones included, as the person sees them."""
        query = f"EffectiveId > 0 AND 'CF.{{Hearthwatch ID}}' = '{external_id}'"
        fields = {"query": query, "fields": "Subject,Status,Owner,EffectiveId", "orderby": "id"}
        items: list[dict[str, Any]] = self.person.get("/tickets", params=fields).json()["items"]
        return items

    def comments(self, number: str) -> list[str]:
        """The subjects of a ticket's comments, in order."""
        fields: dict[str, str | int] = {"fields": "Type,Data", "orderby": "id", "per_page": 100}
        items = self.person.get(f"/ticket/{number}/history", params=fields).json()["items"]
        return [item["Data"].strip() for item in items if item["Type"] == "Comment"]

    def parts(self, number: str) -> list[tuple[str, str]]:
        """File names and contents of everything that was said on a ticket."""
        fields = {"fields": "Filename,Content,ContentType", "orderby": "id", "per_page": "100"}
        items = self.person.get(f"/ticket/{number}/attachments", params=fields).json()["items"]
        # RT gives files as bytes, each as one character.
        return [
            (one["Filename"], one["Content"].encode("latin-1").decode() if one["Filename"] else one["Content"])
            for one in items
            if one["ContentType"].startswith("text/")
        ]

    def linked(self, number: str) -> set[str]:
        """The tickets that a ticket refers to."""
        links = self.person.get(f"/ticket/{number}").json()["_hyperlinks"]
        return {str(one["id"]) for one in links if one.get("ref") == "refers-to"}

    def properties(self, number: str) -> dict[str, Any]:
        """What people can see and set on a ticket."""
        ticket: dict[str, Any] = self.person.get(f"/ticket/{number}").json()
        ticket["CustomFields"].sort(key=lambda one: one["name"])
        return {
            name: value for name, value in ticket.items() if name not in ("LastUpdated", "LastUpdatedBy", "_hyperlinks")
        }

    def person_does(self, method: str, path: str, **body: object) -> Any:
        answer = self.person.request(method, path, json=body)
        assert answer.is_success, answer.text
        return answer.json()


def prepare(template: Path) -> None:
    """Make the folder that every RT of a run is copied from, once however many processes ask for it.

    Raises:
        RequestTrackerUnavailableError: RT is not installed, or cannot be set up here.
    """
    if not (SERVER.exists() and SET_UP.exists() and shutil.which("setpriv")):
        raise RequestTrackerUnavailableError("request-tracker5, rt5-db-sqlite and rt5-standalone are not installed")
    with FileLock(f"{template}.lock"):
        if template.exists():
            return
        making = template.with_name(f"{template.name}-{secrets.token_hex(4)}")
        making.mkdir(parents=True)
        _configure(making, _free_port())
        _set_up(making, "--action", "init", "--skip-create")
        contents = making / "contents.pl"
        contents.write_text(
            _CONTENTS.format(
                queue=QUEUE,
                other_queue=OTHER_QUEUE,
                robot=ROBOT,
                person=PERSON,
                password=PERSON_PASSWORD,
                rights=" ".join(RIGHTS),
                optional_rights=" ".join(OPTIONAL_RIGHTS),
                field_rights=" ".join(FIELD_RIGHTS),
                folder=making,
            )
        )
        _set_up(making, "--action", "insert", "--datafile", str(contents))
        if not (making / f"{PERSON}.token").exists():
            raise RequestTrackerUnavailableError("RT was set up, but its tokens were not made")
        making.rename(template)


@contextmanager
def running(template: Path, folder: Path) -> Iterator[RequestTracker]:
    """A copy of the prepared RT in `folder`, started; stopped at the end."""
    shutil.copytree(template, folder)
    tracker = RequestTracker(folder)
    try:
        tracker.start()
        yield tracker
    finally:
        tracker.stop()
        tracker.person.close()


def _configure(folder: Path, port: int) -> None:
    for name in ("mason", "sessions"):
        (folder / name).mkdir(exist_ok=True)
    (folder / "RT_SiteConfig.pm").write_text(_CONFIGURATION.format(folder=folder, port=port))


def _environment(folder: Path) -> dict[str, str]:
    ours = {"RT_SITE_CONFIG": str(folder / "RT_SiteConfig.pm"), "RT_SITE_CONFIG_DIR": str(folder / "none")}
    return {**os.environ, **ours, "TMPDIR": str(folder)}


def _set_up(folder: Path, *arguments: str) -> None:
    result = subprocess.run(
        [SET_UP, *arguments], env=_environment(folder), capture_output=True, text=True, check=False, timeout=300
    )
    if result.returncode != 0:
        raise RequestTrackerUnavailableError((result.stderr or result.stdout).strip()[-2000:])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
