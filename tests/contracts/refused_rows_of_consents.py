"""Rows about consents that the database refuses (see refused_rows.py)."""

from typing import Any

from .refused_shapes import NOW, Broken, Twice

VALID: dict[str, dict[str, Any]] = {
    "accounts.Consent": {
        **{"way": "form", "evidence": "", "reported_at": None},
        **{"end": "", "ended_at": None, "end_evidence": "", "end_reported_at": None},
    }
}

CHECKS = {
    "consent_text_counted_from_one": Broken("accounts.ConsentText", {"version": 0}),
    "consent_way_known": Broken("accounts.Consent", {"way": "hint"}),
    "consent_reported_with_evidence": Broken(
        "accounts.Consent",
        {"way": "reported", "reported_at": NOW},
        {"way": "reported", "reported_at": NOW, "evidence": "Envelope 1"},
    ),
    "consent_ended_somehow": Broken("accounts.Consent", {"ended_at": NOW}, {"ended_at": NOW, "end": "withdrawn"}),
    "consent_end_reported_with_evidence": Broken(
        "accounts.Consent",
        {"ended_at": NOW, "end": "withdrawn", "end_reported_at": NOW},
        {"ended_at": NOW, "end": "withdrawn", "end_reported_at": NOW, "end_evidence": "Letter 1"},
    ),
}

UNIQUE = {
    "consent_text_version_unique": Twice(
        "accounts.ConsentText", {"workspace_id": 1, "purpose": "photos", "version": 1}
    ),
    "consent_one_live": Twice(
        "accounts.Consent",
        {"learner_id": 1, "purpose": "photos", "address": "p@example.test", "ended_at": None, "end": ""},
        {"ended_at": NOW, "end": "replaced"},
    ),
}
