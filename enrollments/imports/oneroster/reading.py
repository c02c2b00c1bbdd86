"""A OneRoster archive as one stream of records in the order in which they can be carried out: districts, guardians,
learners, classes, enrollments, and finally those that end. Each record carries what it refers to in other files.
"""

import datetime as dt
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from accounts.models import Guardian, Learner
from core.addresses import address_fault, canonical_address
from core.errors import FieldError, Invalid, refuse
from core.text import fit

from ...models import District, ImportJob
from ..faults import UnreadableFile
from ..reading import Record
from .archive import MANIFEST, Archive, Row, open_archive
from .index import Index, open_index

ORGS = "orgs.csv"
USERS = "users.csv"
ROLES = "roles.csv"
SESSIONS = "academicsessions.csv"
COURSES = "courses.csv"
CLASSES = "classes.csv"
ENROLLMENTS = "enrollments.csv"
# The columns without which a row is useless to us.
REQUIRED = {
    ORGS: ("sourcedId", "name", "type"),
    USERS: ("sourcedId", "givenName", "familyName", "email"),
    SESSIONS: ("sourcedId", "startDate", "endDate"),
    COURSES: ("sourcedId", "courseCode"),
    CLASSES: ("sourcedId", "courseSourcedId"),
    ENROLLMENTS: ("sourcedId", "classSourcedId", "userSourcedId", "role"),
}
AGENTS = frozenset({"parent", "guardian", "relative"})
STUDENT = "student"
STATUSES = ("", "active", "tobedeleted")

# The kind of a record, stored in its document under `is`.
DISTRICT = "district"
GUARDIAN = "guardian"
LEARNER = "learner"
CLASS = "class"
ENROLLMENT = "enrollment"
ENDING = "ending"
DELETED = "deleted"  # a district, person, or class marked for deletion, which is skipped

REFUSED = ""  # in the index: a person whose row is faulty

# The source columns of our fields.
_COLUMNS = {
    "external_id": "sourcedId",
    "first_name": "givenName",
    "last_name": "familyName",
    "email": "email",
    "grade_level": "grades",
    "name": "name",
}


class Roster:
    """An archive while it is read, and the notes about it for the sender."""

    def __init__(self, archive: Archive, index: Index) -> None:
        self._archive = archive
        self._index = index
        self._ignored: Counter[str] = Counter()
        self.has_endings = False

    @property
    def notice(self) -> str:
        """Return which files were read in a guessed encoding, and what the import leaves out of the archive."""
        left_out = self._archive.left_out(*REQUIRED, ROLES)
        told = [f"{name}: {count:,}" for name, count in sorted(self._ignored.items())]
        told += [", ".join(left_out)] if left_out else []
        guessed = [f"{name}: {notice}" for name, notice in sorted(self._archive.guessed.items())[:1]]
        skipped = [f"Not imported: {'; '.join(told)}."] if told else []
        return fit(ImportJob, "notice", " ".join([*guessed, *skipped]))

    def records(self) -> Iterator[Record]:
        """Yield the records. Raises UnreadableFile, now or while they are read."""
        for row in self._rows_of_roles():
            role = row.get("role").lower()
            if (role == STUDENT or role in AGENTS) and not row.is_to_be_deleted:
                self._index.put(ROLES, row.get("userSourcedId"), STUDENT if role == STUDENT else GUARDIAN)
        for name in REQUIRED:
            yield from self._first_look(name)
        yield from self._districts()
        yield from self._people(GUARDIAN)
        yield from self._people(LEARNER)
        self._remember_classes()
        yield from self._classes()
        self._remember_enrollments()
        yield from self._enrollments(is_ending=False)
        yield from self._enrollments(is_ending=True)

    def _rows_of_roles(self) -> Iterator[Row]:
        return self._archive.read(ROLES, "userSourcedId", "role") if self._archive.has(ROLES) else iter(())

    def _first_look(self, name: str) -> Iterator[Record]:
        """Report rows with a duplicate id or an unknown status; `_rows` yields the others."""
        if not self._archive.has(name):
            return
        for row in self._archive.read(name, *REQUIRED[name]):
            if fault := self._fault_of(name, row):
                yield Record(row.line, {}, fault, name)

    def _fault_of(self, name: str, row: Row) -> FieldError | None:
        sourced_id = row.get("sourcedId")
        if not sourced_id:
            return FieldError("sourcedId", "empty", "The sourcedId is empty. Fill it in.")
        if row.get("status").lower() not in STATUSES:
            return FieldError("status", "invalid_choice", "A status is active or tobedeleted, or is left empty.")
        if not self._index.put(name, sourced_id, str(row.line)):
            return FieldError("sourcedId", "repeated", "An earlier line has this sourcedId. Keep one of them.")
        return None

    def _rows(self, name: str) -> Iterator[Row]:
        """Yield the rows of a file without those that `_first_look` has reported."""
        if self._archive.has(name):
            for row in self._archive.read(name, *REQUIRED[name]):
                if self._index.get(name, row.get("sourcedId")) == str(row.line):
                    yield row

    # --- Districts and people -----------------------------------------------------------------------------------------

    def _districts(self) -> Iterator[Record]:
        for row in self._rows(ORGS):
            if row.get("type").lower() != "district":
                self._ignored["organizations that are no districts"] += 1
            elif row.is_to_be_deleted:
                yield Record(row.line, {"is": DELETED}, None, ORGS)
            else:
                number = row.get("identifier")
                yield self._checked(ORGS, row, District, {"is": DISTRICT, "number": number})

    def _people(self, kind: str) -> Iterator[Record]:
        """Yield the users of this kind. A user whose role is not in the archive, as in a delta of users only, is
        recognized if an earlier archive had it, and otherwise not at all: learners are looked up last.
        """
        role = STUDENT if kind == LEARNER else GUARDIAN
        model = Learner if kind == LEARNER else Guardian
        for row in self._rows(USERS):
            said = self._index.get(ROLES, row.get("sourcedId"))
            if said is None and kind == LEARNER:
                yield from self._person_without_role(row)
            if said != role:
                continue
            if row.is_to_be_deleted:
                yield Record(row.line, {"is": DELETED}, None, USERS)
                continue
            record = self._checked(USERS, row, model, {"is": kind, "agents": self._agents_of(row)})
            known = REFUSED if record.fault else json.dumps(record.document["known"])
            self._index.put(kind, row.get("sourcedId"), known)
            yield record

    def _person_without_role(self, row: Row) -> Iterator[Record]:
        if self._archive.modes.get("users") != "delta":
            self._ignored["users who are neither students nor parents"] += 1
        elif row.is_to_be_deleted:
            yield Record(row.line, {"is": DELETED}, None, USERS)
        else:
            yield self._checked(
                USERS, row, Learner, {"is": LEARNER, "agents": self._agents_of(row), "only_known": True}
            )

    def _agents_of(self, row: Row) -> list[list[Any]]:
        """Return the ids of a learner's guardians, each with whether the archive contains them."""
        named = [part.strip() for part in row.get("agentSourcedIds").split(",")]
        return [[agent, self._index.get(GUARDIAN, agent) is not None] for agent in named if agent]

    def _checked(self, name: str, row: Row, model: Any, document: dict[str, Any]) -> Record:
        try:
            return Record(row.line, {**document, "known": _known(row, model)}, None, name)
        except Invalid as refusal:
            return Record(row.line, {}, refusal.errors[0], name)

    # --- Classes and who is in them -----------------------------------------------------------------------------------

    def _remember_classes(self) -> None:
        for row in self._rows(COURSES):
            self._index.put("course", row.get("sourcedId"), row.get("courseCode"))
        for row in self._rows(SESSIONS):
            days = [_day(row.get("startDate")), _day(row.get("endDate"))]
            self._index.put("term", row.get("sourcedId"), json.dumps(days))
        for row in self._rows(CLASSES):
            self._index.put(CLASS, row.get("sourcedId"), json.dumps(self._class_of(row)))

    def _class_of(self, row: Row) -> dict[str, Any]:
        """Return the fields by which an instance may be found."""
        course = row.get("courseSourcedId")
        terms = [self._index.get("term", term.strip()) for term in row.get("termSourcedIds").split(",")]
        return {
            "ids": [text for text in (row.get("sourcedId"), row.get("classCode")) if text],
            "codes": [text for text in (self._index.get("course", course), course) if text],
            "terms": [json.loads(term) for term in terms if term],
        }

    def _classes(self) -> Iterator[Record]:
        for row in self._rows(CLASSES):
            about = json.loads(self._index.get(CLASS, row.get("sourcedId")) or "{}")
            document = {"is": DELETED} if row.is_to_be_deleted else {"is": CLASS, "class": about}
            yield Record(row.line, document, None, CLASSES)

    def _remember_enrollments(self) -> None:
        for row in self._rows(ENROLLMENTS):
            if row.get("role").lower() != STUDENT:
                self._ignored["enrollments of others than students"] += 1
            elif not row.is_to_be_deleted:
                self._index.put_pair("in class", row.get("userSourcedId"), row.get("classSourcedId"))

    def _enrollments(self, *, is_ending: bool) -> Iterator[Record]:
        for row in self._rows(ENROLLMENTS):
            if row.get("role").lower() != STUDENT or row.is_to_be_deleted != is_ending:
                continue
            user = row.get("userSourcedId")
            document: dict[str, Any] = {"class": self._named_class(row.get("classSourcedId")), "user": user}
            if is_ending:
                self.has_endings = True
                others = self._index.others_of("in class", user)
                document |= {"is": ENDING, "others": [self._named_class(each) for each in others]}
                document["end"] = _day(row.get("endDate"))
                yield Record(row.line, document, None, ENROLLMENTS)
                continue
            known = self._index.get(LEARNER, user)
            if known == REFUSED:
                remedy = f"The row of this student in {USERS} is refused. Correct that row first."
                yield Record(row.line, {}, FieldError("userSourcedId", "refused", remedy), ENROLLMENTS)
                continue
            document |= {"is": ENROLLMENT, "known": json.loads(known) if known else None}
            yield Record(row.line, document, None, ENROLLMENTS)

    def _named_class(self, sourced_id: str) -> dict[str, Any]:
        """Return the class; a delta may contain nothing but its id."""
        found = self._index.get(CLASS, sourced_id)
        return json.loads(found) if found else {"ids": [sourced_id], "codes": [], "terms": []}


@contextmanager
def open_roster(file: IO[bytes]) -> Iterator[Roster]:
    """Yield the roster while its archive is open. Raises UnreadableFile if the archive is faulty as a whole."""
    with open_archive(file) as archive, open_index() as index:
        if not any(archive.has(name) for name in (ORGS, USERS, CLASSES, ENROLLMENTS)):
            remedy = f"{MANIFEST}: It promises none of {ORGS}, {USERS}, {CLASSES} and {ENROLLMENTS}. Export them."
            raise UnreadableFile(None, remedy, field=MANIFEST, code="nothing")
        if archive.modes.get("users") == "bulk" and not archive.has(ROLES):
            remedy = f"{ROLES}: It says who of the users is a student, and is missing. Export it with {USERS}."
            raise UnreadableFile(None, remedy, field=ROLES, code="missing")
        yield Roster(archive, index)


def _day(text: str) -> str:
    """Return an ISO date, or an empty text if there is none."""
    try:
        return dt.date.fromisoformat(text[:10]).isoformat() if text else ""
    except ValueError:
        return ""


def _known(row: Row, model: Any) -> dict[str, str]:
    """Return the row's values. Raises Invalid for values that can't be stored."""
    known = {"external_id": row.get("sourcedId"), **(_district(row) if model is District else _person(row, model))}
    faults = []
    for name, value in known.items():
        longest = getattr(model._meta.get_field(name), "max_length", None) or 0
        column = _COLUMNS[name]
        if len(value) > longest:
            faults.append(FieldError(column, "max_length", f"Shorten it to {longest} characters."))
        elif name == "email" and value and address_fault(value):
            faults.append(FieldError("email", "invalid", "Give an email address, such as name@example.org."))
        elif model is Learner and not value:
            faults.append(FieldError(column, "required", f"A student needs {column}. Fill it in."))
        elif model is District and not value:
            faults.append(FieldError(column, "required", "A district needs a name. Fill it in."))
    refuse(faults)
    return known


def _district(row: Row) -> dict[str, str]:
    return {"name": row.get("name")}


def _person(row: Row, model: Any) -> dict[str, str]:
    known = {
        "first_name": row.get("preferredFirstName") or row.get("givenName"),
        "last_name": row.get("preferredLastName") or row.get("familyName"),
        "email": canonical_address(row.get("email")),
    }
    if model is Learner and (grade := row.get("grades").split(",")[0].strip()):
        known["grade_level"] = grade
    return known
