"""The names that a partner's system uses. `plain` uses those that the platform asks for; `campus` has names of its own,
like the systems of most partners.

Everything here is stored and rendered in `plain`; `read_request` converts incoming bodies, and `show` and `tell`
outgoing ones.
"""

from typing import Any

Body = dict[str, Any]

PLAIN = "plain"
CAMPUS = "campus"
DIALECTS = (PLAIN, CAMPUS)

# The query parameter that filters a list by one reference.
PARAMETERS = {PLAIN: "reference", CAMPUS: "externalRef"}
_STATES = {"active": "running", "completed": "done", "withdrawn": "dropped"}
_EVENTS = {
    "enrollment.created": "registration.new",
    "progress.updated": "registration.moved",
    "course.completed": "registration.done",
    "certificate.issued": "diploma.ready",
}


class Missing(ValueError):
    """A required field is missing; it is named as the partner calls it."""


def read_request(dialect: str, asked: Any) -> Body:
    """Return who is to be enrolled in what: course_id, reference, and learner. Raises Missing."""
    told = asked if isinstance(asked, dict) else {}
    names = ("courseCode", "externalRef", "student") if dialect == CAMPUS else ("course_id", "reference", "learner")
    if missing := [name for name in names if name not in told]:
        raise Missing(f"Missing: {', '.join(missing)}.")
    course, reference, learner = (told[name] for name in names)
    return {"course_id": course, "reference": reference, "learner": learner}


def show(dialect: str, answer: Any) -> Any:
    """Return an enrollment, or a list of them, as the partner's response."""
    if dialect == PLAIN:
        return answer
    if isinstance(answer, list):
        return {"items": [_registration(row) for row in answer]}
    return {"registration": _registration(answer)}


def tell(dialect: str, message: Body) -> Body:
    """Return a message as the partner sends it."""
    if dialect == PLAIN:
        return message
    data = message["data"]
    diploma = {"number": data.get("certificateNumber"), "file": data.get("downloadUrl")}
    told = {
        "number": data["enrollmentId"],
        "percent": data.get("progress"),
        "finishedOn": data.get("completedAt"),
        "diploma": _known(diploma) or None,
    }
    event = message["event"]
    return {"type": _EVENTS[event], "sentAt": message["timestamp"], "registration": _known(told)}


def _registration(row: Body) -> Body:
    certificate = row.get("certificate") or {}
    diploma = {"number": certificate.get("number"), "file": certificate.get("download_url")}
    shown = {
        "number": row["id"],
        "externalRef": row["reference"],
        "courseCode": row["course_id"],
        "state": _STATES[row["status"]],
        "percent": row["progress"],
        "links": {"start": row["launch_url"]},
        "finishedOn": row.get("completed_at"),
        "diploma": _known(diploma) or None,
    }
    return _known(shown)


def _known(values: Body) -> Body:
    return {name: value for name, value in values.items() if value is not None}
