"""Fills a stopped server's database with copies of what it stored itself: same sizes, other ids."""

import sqlite3
import uuid


class Ids:
    """UUIDs version 7, in order."""

    def __init__(self, after):
        self.last = int.from_bytes(after, "big")

    def __call__(self):
        self.last += 1 << 80  # a millisecond
        return self.last.to_bytes(16, "big")


def connect(directory):
    connection = sqlite3.connect(directory / "data" / "sealink.db")
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def copy(connection, table, row, **changes):
    changed = row | changes
    columns = ", ".join(changed)
    places = ", ".join("?" * len(changed))
    connection.execute(f"INSERT INTO {table} ({columns}) VALUES ({places})", list(changed.values()))


def first(connection, sql, *values):
    cursor = connection.execute(sql, values)
    return dict(zip([column[0] for column in cursor.description], cursor.fetchone(), strict=True))


def grow(directory, runner, rows, per_runner=None):
    """Copies the first integration of `runner` until there are `rows` in all: into new runners of `per_runner`
    integrations each, or into the runner itself. Returns all runners that have integrations, as text."""
    old = uuid.UUID(runner).bytes
    with connect(directory) as connection:
        template = first(connection, "SELECT * FROM scm_integration WHERE runner_id = ? LIMIT 1", old)
        owner = first(connection, "SELECT * FROM runner WHERE id = ?", old)
        have = connection.execute("SELECT count(*) FROM scm_integration").fetchone()[0]
        new_id = Ids(connection.execute("SELECT max(id) FROM scm_integration").fetchone()[0])
        target = old
        for number in range(rows - have):
            if per_runner and number % per_runner == 0:
                target = new_id()
                copy(connection, "runner", owner, id=target, name=f"copy-{number}")
            id = new_id()
            record = template["record"].replace(template["id"], id, 1).replace(old, target, 1)
            host = f"copy-{number}.example.com"
            copy(connection, "scm_integration", template, id=id, runner_id=target, host_key=host, record=record)
        found = connection.execute("SELECT DISTINCT runner_id FROM scm_integration").fetchall()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return [str(uuid.UUID(bytes=id)) for (id,) in found]
