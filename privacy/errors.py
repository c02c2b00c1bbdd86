from core.errors import DomainError


class ErasureRefused(DomainError):
    code = "erasure_refused"
    title = "Something of the learner's is going on"
