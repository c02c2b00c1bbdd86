from core.errors import DomainError


class NoDeletionAsked(DomainError):
    code = "no_deletion_asked"
    title = "The family has not asked to delete this learner's data, or was answered"


class ErasureRefused(DomainError):
    code = "erasure_refused"
    title = "The learner still has something in progress"
