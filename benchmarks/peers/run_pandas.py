"""The nine checks in pandas, on the tables read into memory: python run_pandas.py JOB ANSWER."""

from __future__ import annotations

import json
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
from sqlalchemy import Connection, create_engine, make_url, text

HOUSEHOLD_USER = ["household_id", "user_id"]


def main() -> None:
    job_file, answer_file = map(Path, sys.argv[1:])
    job = json.loads(job_file.read_text())
    since, until, settled = (datetime.fromisoformat(job[name]) for name in ("since", "end", "settled"))
    with create_engine(make_url(job["url"]).set(drivername="postgresql+psycopg")).connect() as connection:
        households = _read(
            connection, "SELECT id::text AS household_id, leader_id::text, invite_code, created_at FROM households"
        )
        members = _read(
            connection,
            "SELECT household_id::text, user_id::text, role, status, joined_at FROM household_members",
        )
        requests = _read(
            connection,
            "SELECT id::text, household_id::text, user_id::text, requested_at FROM household_join_requests"
            " WHERE status = 'approved'",
        )
        events = _read(
            connection,
            "SELECT id, event_type, household_id::text, user_id::text, event_timestamp,"
            " metadata->>'member_id' AS member_id, metadata->>'correlation_id' AS correlation_id FROM household_events"
            " WHERE event_type IN ('household_created', 'household_member_removed')"
            " AND event_timestamp >= :since AND event_timestamp < :until AND user_id IS NOT NULL",
            since=since,
            until=until,
        )
    counts = {
        **_leadership(households, members, settled),
        "approved_without_member": _approved_without_member(requests[requests.requested_at <= settled], members),
        "duplicate_codes": _repeated(households.invite_code.dropna().str.upper().value_counts()),
        **_days(events, until, job["creations_per_day"], job["removals_per_day"]),
    }
    answer_file.write_text(json.dumps({"version": f"pandas {pd.__version__}", "counts": counts}))


def _read(connection: Connection, statement: str, **parameters: datetime) -> pd.DataFrame:
    return pd.read_sql(text(statement), connection, params=parameters)


def _leadership(households: pd.DataFrame, members: pd.DataFrame, settled: datetime) -> dict[str, int]:
    active = members[members.status == "active"]
    leaders = active[active.role == "leader"].household_id.value_counts()
    known = households.household_id
    inhabited, led = known.isin(active.household_id), known.isin(leaders.index)
    named = households.merge(
        active[[*HOUSEHOLD_USER, "role"]].drop_duplicates(HOUSEHOLD_USER),
        how="left",
        left_on=["household_id", "leader_id"],
        right_on=HOUSEHOLD_USER,
    )
    return {
        "several_leaders": _repeated(leaders),
        "no_leader": int((inhabited & (~led | named.role.isna())).sum()),
        "orphaned": int((~inhabited & (households.created_at <= settled)).sum()),
        "leader_mismatch": int((led & named.role.notna() & (named.role != "leader")).sum()),
        "duplicate_members": _repeated(active.groupby(HOUSEHOLD_USER).size()),
    }


def _repeated(numbers: pd.Series[int]) -> int:
    return int((numbers > 1).sum())


def _approved_without_member(requests: pd.DataFrame, members: pd.DataFrame) -> int:
    pairs = requests.merge(members, how="left", on=HOUSEHOLD_USER)
    applied = pairs[(pairs.status == "active") | (pairs.joined_at >= pairs.requested_at)]
    return int((~requests.id.isin(applied.id)).sum())


def _days(events: pd.DataFrame, until: datetime, creations: int, removals: int) -> dict[str, int]:
    events = events.assign(
        day=events.event_timestamp.dt.tz_convert("UTC").dt.floor("D"),
        attempt=events.correlation_id.fillna(events.id.astype(str)),
    )
    created = events[events.event_type == "household_created"]
    removed = events[(events.event_type == "household_member_removed") & (events.member_id != events.user_id)]
    made = created.groupby(["user_id", "day"]).household_id.nunique()
    gone = removed.groupby(["user_id", "day"]).attempt.nunique()
    yesterday = until - timedelta(days=1)
    return {
        name: int((numbers[numbers > most].reset_index().groupby("user_id").day.max() >= yesterday).sum())
        for name, numbers, most in (("many_creations", made, creations), ("many_removals", gone, removals))
    }


if __name__ == "__main__":
    main()
