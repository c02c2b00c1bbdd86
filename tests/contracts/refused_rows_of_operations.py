"""For the rules of examinations, findings and erasures, rows that they and nothing else refuse."""

from .refused_rows import NOW, Broken, Twice

CHECKS = {
    "examination_status_known": Broken("operations.Examination", {"status": "lost"}),
    "erasure_reason_known": Broken("privacy.Erasure", {"reason": "bored"}),
}

UNIQUE = {
    "operations_backup_name_key": Twice("operations.Backup", {"name": "2026-11-29-031700"}),
    "examination_one_at_a_time": Twice("operations.Examination", {"status": "running"}, {"status": "completed"}),
    "privacy_erasure_learner_cuid_key": Twice("privacy.Erasure", {"learner_cuid": "a"}),
    "finding_one_open_per_row": Twice("operations.Finding", {"invariant": "a", "row": "b"}, {"gone_at": NOW}),
}
