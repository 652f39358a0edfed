"""Batches that were accepted: a row each in SQLite, a folder each of files, and what of them is done.

    batches/<id>/seed0007.png ...     while it is made: every file appears whole
    batches/<id>/images.zip           when it is finished; the files are gone then
    batches/<id>.lock                 held by the process that makes the next images of it

A row says what is done only once the files are on the disk, so that a killed server leaves a batch that goes
on. Several processes may share the folder: a lock of the operating system ends with its process.
"""

import contextlib
import fcntl
import json
import shutil
import time
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from gan.files import atomic_write
from gan.jobs.serving.database import Database
from gan.jobs.serving.moves import Move
from gan.jobs.serving.orders import Order

FOLDER = "batches"  # in that of the server's state
ZIP = "images.zip"
_RECENT = 64  # images whose times say how long the rest takes
_TABLES = (
    "CREATE TABLE IF NOT EXISTS batches (id TEXT PRIMARY KEY, key TEXT NOT NULL, digest TEXT NOT NULL,"
    " asked TEXT NOT NULL, total INTEGER NOT NULL, created REAL NOT NULL, begun INTEGER NOT NULL DEFAULT 0,"
    " worked REAL NOT NULL DEFAULT 0, finished REAL, failed TEXT)",
    "CREATE TABLE IF NOT EXISTS batch_images (batch TEXT NOT NULL, place INTEGER NOT NULL,"
    " record TEXT NOT NULL, file TEXT, made REAL NOT NULL, PRIMARY KEY (batch, place))",
)


@dataclass(frozen=True, kw_only=True)
class Batch:
    """key: number of the key that asked.  digest: of the model's weights.  Times are seconds since 1970.

    begun: how many of its `total` images were given to the queue.  finished: when, None before its end.
    failed: why it ended early, None where it did not.
    """

    id: str
    key: str
    digest: str
    order: Order
    total: int
    created: float
    begun: int
    finished: float | None
    failed: str | None


@dataclass(frozen=True, kw_only=True)
class Progress:
    """done: images with a verdict, of which `blocked` were held back.  seconds: until the end, if known."""

    done: int
    blocked: int
    seconds: float | None


_COLUMNS = ", ".join("asked" if each.name == "order" else each.name for each in fields(Batch))


class Batches:
    """Those in the folder of a server's state. Methods may be called from any thread or process.

    They raise UserError where the database or a file cannot be written.
    """

    def __init__(self, database: Database, state: str | Path) -> None:
        self._database, self.folder = database, Path(state) / FOLDER
        with database.transaction() as connection:
            for table in _TABLES:
                connection.execute(table)

    def add(self, number: str, key: str, order: Order, digest: str) -> Batch:
        """Keep a new batch, which is accepted with that. number: a new id, which nobody can guess."""
        batch = Batch(
            id=number,
            key=key,
            digest=digest,
            order=order,
            total=len(order.seeds),
            created=time.time(),
            begun=0,
            finished=None,
            failed=None,
        )
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO batches (id, key, digest, asked, total, created) VALUES (?,?,?,?,?,?)",
                (batch.id, key, digest, json.dumps(asdict(order)), batch.total, batch.created),
            )
        return batch

    def of(self, number: str) -> Batch | None:
        """The batch of an id."""
        with self._database.transaction() as connection:
            row = connection.execute(f"SELECT {_COLUMNS} FROM batches WHERE id = ?", (number,)).fetchone()
        return None if row is None else _batch(row)

    def unfinished(self) -> list[str]:
        """Ids, the one that was worked on longest ago first."""
        with self._database.transaction() as connection:
            rows = connection.execute(
                "SELECT id FROM batches WHERE finished IS NULL ORDER BY worked, created"
            ).fetchall()
        return [number for (number,) in rows]

    def progress(self, batch: Batch) -> Progress:
        """How far it is."""
        with self._database.transaction() as connection:
            done, files = connection.execute(
                "SELECT count(*), count(file) FROM batch_images WHERE batch = ?", (batch.id,)
            ).fetchone()
            times = connection.execute(
                "SELECT made FROM batch_images WHERE batch = ? ORDER BY place DESC LIMIT ?",
                (batch.id, _RECENT),
            ).fetchall()
        latest, earliest = (times[0][0], times[-1][0]) if times else (0.0, 0.0)
        later = sum(made > earliest for (made,) in times)  # made in the time between
        seconds = (batch.total - done) * (latest - earliest) / later if later else None
        return Progress(
            done=done, blocked=done - files, seconds=0.0 if batch.finished is not None else seconds
        )

    def begin(self, batch: Batch, begun: int) -> bool:
        """Note that so many images were given to the queue; False where the batch is gone."""
        return self._changed("begun = ?, worked = ?", batch, begun, time.time())

    def keep(self, batch: Batch, first: int, made: Sequence[tuple[dict[str, Any], str | None]]) -> bool:
        """Note images as done whose files are on the disk; False, and nothing noted, where the batch is gone.

        first: place of the first of them among the seeds.  made: record and name of the file of each.
        """
        now = time.time()
        rows = [(batch.id, first + i, json.dumps(record), file, now) for i, (record, file) in enumerate(made)]
        with self._database.transaction() as connection:
            found = connection.execute("SELECT 1 FROM batches WHERE id = ?", (batch.id,)).fetchone()
            if found:
                connection.executemany("INSERT OR REPLACE INTO batch_images VALUES (?,?,?,?,?)", rows)
        return found is not None

    def finish(self, batch: Batch, about: dict[str, Any], failed: str | None = None) -> None:
        """Make the zip of what is done and let the files go. about: of the manifest, without its `images`."""
        place = self.place(batch)
        with self._database.transaction() as connection:
            rows = connection.execute(
                "SELECT record, file FROM batch_images WHERE batch = ? ORDER BY place", (batch.id,)
            ).fetchall()
        with atomic_write(place / ZIP) as temporary, zipfile.ZipFile(temporary, "w") as target:
            for _, file in rows:
                if file is not None:
                    target.writestr(zipfile.ZipInfo(file), (place / file).read_bytes())
            images = [json.loads(record) for record, _ in rows]
            described = json.dumps({**about, "images": images}, indent=1)
            target.writestr(zipfile.ZipInfo("manifest.json"), described)
        if self._changed("finished = ?, failed = ?", batch, time.time(), failed):
            for _, file in rows:
                if file is not None:
                    (place / file).unlink(missing_ok=True)
        else:
            self.discard(batch)

    def give_up(self, batch: Batch, failed: str) -> None:
        """End a batch of which not even a zip can be made."""
        self._changed("finished = ?, failed = ?", batch, time.time(), failed)

    def remove(self, batch: Batch) -> Batch | None:
        """Forget it and its files; what it was at that moment, None where it was gone already."""
        with self._database.transaction() as connection:
            row = connection.execute(
                f"DELETE FROM batches WHERE id = ? RETURNING {_COLUMNS}", (batch.id,)
            ).fetchone()
            connection.execute("DELETE FROM batch_images WHERE batch = ?", (batch.id,))
        self.discard(batch)
        return None if row is None else _batch(row)

    def sweep(self, hours: float) -> None:
        """Remove what was finished so long ago, and folders of batches that are gone."""
        paths = list(self.folder.glob("*"))  # before the rows, which are older than their folders
        with self._database.transaction() as connection:
            rows = connection.execute(f"SELECT {_COLUMNS} FROM batches").fetchall()
        known = {batch.id: batch for batch in map(_batch, rows)}
        for batch in known.values():
            if batch.finished is not None and batch.finished + hours * 3600 < time.time():
                self.remove(batch)
        for path in paths:
            number = path.name.removesuffix(".lock")
            if number not in known:
                with self.held(number) as mine:
                    if mine and path.is_dir():
                        shutil.rmtree(path, ignore_errors=True)
                    elif mine:
                        path.unlink(missing_ok=True)

    def bytes(self) -> int:
        """On the disk; files of which a zip is still to be made count twice."""
        size = 0
        for place in self.folder.glob("*/"):
            with contextlib.suppress(OSError):  # removed meanwhile
                files = {file.name: file.stat().st_size for file in place.iterdir()}
                size += sum(files.values()) * (1 if ZIP in files else 2)
        return size

    def place(self, batch: Batch) -> Path:
        """Its folder."""
        return self.folder / batch.id

    def discard(self, batch: Batch) -> None:
        """Remove its files."""
        shutil.rmtree(self.place(batch), ignore_errors=True)

    @contextlib.contextmanager
    def held(self, number: str) -> Iterator[bool]:
        """Whether this block has the batch to itself, among all processes and threads."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.folder / f"{number}.lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                yield False
            else:
                yield True

    def _changed(self, assignments: str, batch: Batch, *values: Any) -> bool:
        with self._database.transaction() as connection:
            found = connection.execute(f"UPDATE batches SET {assignments} WHERE id = ?", (*values, batch.id))
        return found.rowcount > 0


def _batch(row: Sequence[Any]) -> Batch:
    found = dict(zip((each.name for each in fields(Batch)), row, strict=True))
    return Batch(**{**found, "order": _order(json.loads(found["order"]))})


def _order(data: dict[str, Any]) -> Order:
    """Of `asdict` as JSON has it."""
    label = data["label"]
    return Order(
        **{
            **data,
            "seeds": tuple(data["seeds"]),
            "label": tuple(label) if isinstance(label, list) else label,
            "moves": tuple(Move(*move) for move in data["moves"]),
        }
    )
