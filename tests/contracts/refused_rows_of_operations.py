"""For the rules of examinations, findings, erasures, and retention, rows that only these rules refuse."""

from privacy.states import LEAST_DAYS

from .refused_rows import MONDAY, NOW, Broken, Twice

CHECKS = {
    "examination_status_known": Broken("operations.Examination", {"status": "lost"}),
    "erasure_reason_known": Broken("privacy.Erasure", {"reason": "bored"}),
    "forgotten_kind_known": Broken("privacy.Forgotten", {"kind": "dust"}),
    **{
        f"retention_{kind}_long_enough": Broken(
            "privacy.Retention", {f"{kind}_days": least - 1}, {f"{kind}_days": least}
        )
        for kind, least in LEAST_DAYS.items()
    },
}

UNIQUE = {
    "operations_backup_name_key": Twice("operations.Backup", {"name": "2026-11-29-031700"}),
    "examination_one_at_a_time": Twice("operations.Examination", {"status": "running"}, {"status": "completed"}),
    "privacy_erasure_learner_cuid_key": Twice("privacy.Erasure", {"learner_cuid": "a"}),
    "privacy_retention_workspace_id_key": Twice("privacy.Retention", {"workspace_id": 1}),
    "forgotten_once_a_day": Twice("privacy.Forgotten", {"workspace_id": 1, "kind": "mails", "date": MONDAY}),
    "finding_one_open_per_row": Twice("operations.Finding", {"invariant": "a", "row": "b"}, {"gone_at": NOW}),
}
