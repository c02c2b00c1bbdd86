"""The kinds of caller, and how a row of the matrix says what each of them gets."""

import enum
from dataclasses import dataclass, field
from typing import Any


class Caller(enum.Enum):
    """The kinds of caller."""

    ANONYMOUS = "nobody in particular"
    KEY = "a key with this scope only"
    KEY_WITHOUT_SCOPE = "a key with every other scope"
    REVOKED_KEY = "a revoked key"
    EXPIRED_KEY = "an expired key"
    FOREIGN_KEY = "a key of another workspace with this scope"
    SESSION = "a signed-in parent, whom the row is not about"
    UNPROVEN = "somebody signed in whose mailbox is not proven"
    # Staff with confirmed mailboxes, in sessions that their password opened. A role's powers apply in the back office
    # only: everywhere else they are signed-in people whom the row does not concern.
    VIEWER = "a viewer of the workspace"
    REVIEWER = "a reviewer of the workspace"
    FINANCE = "a finance clerk of the workspace"
    ADMIN = "an administrator of the workspace"
    OWNER = "an owner of the workspace"
    ELSEWHERE = "an owner of another workspace"
    STRANGER = "staff of no workspace"
    SUPERUSER = "a superuser"


MEMBERS = (Caller.VIEWER, Caller.REVIEWER, Caller.FINANCE, Caller.ADMIN, Caller.OWNER)
STAFF = (*MEMBERS, Caller.ELSEWHERE, Caller.STRANGER, Caller.SUPERUSER)
SIGNED_IN = (Caller.SESSION, *STAFF)


@dataclass(frozen=True, slots=True)
class Row:
    """One route and method. `answers` gives the status for each caller; `scope` is the one that API keys need;
    `address` is called with names filled in from the `town` fixture, with `body` as JSON.
    """

    route: str
    method: str
    address: str
    answers: dict[Caller, int]
    scope: str | None = None
    body: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.method} {self.route}"


def by_key(
    route: str,
    method: str,
    *,
    scope: str,
    elsewhere: int,
    address: str = "",
    body: dict[str, Any] | None = None,
    done: int = 200,
) -> Row:
    """For keys with the scope, which get `done`; `elsewhere` is what the key of another workspace gets: 404 if the
    address or body names something of ours, else its own workspace's answer.
    """
    admitted = {Caller.KEY: done, Caller.KEY_WITHOUT_SCOPE: 403, Caller.FOREIGN_KEY: elsewhere}
    answers = dict.fromkeys(Caller, 401) | admitted
    return Row(route, method, address or f"/{route}", answers, scope, body or {})


def by_session(route: str, method: str, *, stranger: int, address: str = "", body: dict[str, Any] | None = None) -> Row:
    """For families, who see and change what is their own; `stranger` is what another family gets. No key helps."""
    answers = dict.fromkeys(Caller, 401) | dict.fromkeys(SIGNED_IN, stranger) | {Caller.UNPROVEN: 403}
    return Row(route, method, address or f"/{route}", answers, body=body or {})


def by_key_or_session(route: str, method: str, *, body: dict[str, Any]) -> Row:
    """For keys and signed-in people, where the request decides what they need."""
    admitted = (Caller.KEY, Caller.KEY_WITHOUT_SCOPE, Caller.FOREIGN_KEY, Caller.UNPROVEN, *SIGNED_IN)
    answers = dict.fromkeys(Caller, 401) | dict.fromkeys(admitted, 200)
    return Row(route, method, f"/{route}", answers, body=body)


def for_all(
    route: str,
    method: str = "GET",
    *,
    status: int = 200,
    session: int | None = None,
    staff: int | None = None,
    superuser: int | None = None,
    address: str = "",
) -> Row:
    """The same for everybody, with or without a key; `session` if signed-in people get a different answer, `staff` and
    `superuser` if they do.
    """
    signed_in = status if session is None else session
    by_password = signed_in if staff is None else staff
    answers = dict.fromkeys(Caller, status) | dict.fromkeys((Caller.SESSION, Caller.UNPROVEN), signed_in)
    answers |= dict.fromkeys(STAFF, by_password) | {Caller.SUPERUSER: by_password if superuser is None else superuser}
    return Row(route, method, address or f"/{route}", answers)


def for_families(route: str, *, stranger: int, address: str = "") -> Row:
    """A page that asks others to sign in, and requires a confirmed mailbox; `stranger` is what another family gets."""
    answers = dict.fromkeys(Caller, 302) | dict.fromkeys(SIGNED_IN, stranger) | {Caller.UNPROVEN: 403}
    return Row(route, "GET", address or f"/{route}", answers)
