"""The refusals of the partners app."""

from core.errors import DomainError, NotFound


class StepNotFound(NotFound):
    code = "step_not_found"
    title = "There is no such step"


class StepNotReopenable(DomainError):
    code = "step_not_reopenable"
    title = "The learner does not take part any more, or the step is not on their way"


class SequenceChanged(DomainError):
    code = "sequence_changed"
    title = "The program's sequence of partners has another version by now"


class LearnerNotUnderWay(DomainError):
    code = "learner_not_under_way"
    title = "The learner takes no partner steps now"


class FieldMapChanged(DomainError):
    code = "field_map_changed"
    title = "Somebody has changed the field map meanwhile"


class ProviderNotFound(NotFound):
    code = "partner_not_found"
    title = "There is no such partner in this workspace"


class SlugTaken(DomainError):
    code = "partner_slug_taken"
    title = "Another partner has this slug"


class BadPartnerSignature(DomainError):
    """A request to a partner's webhook is not provably from that partner and recent."""

    status = 401
    code = "bad_partner_signature"
    title = "The signature, its timestamp or the address is not the partner's"


class UnreadableEvent(DomainError):
    """The message is signed, but not an event."""

    status = 400
    code = "unreadable_event"
    title = "The body is not an event: it has to be a JSON object with a printable webhook-id"


class StepHasAnotherId(DomainError):
    code = "step_has_another_id"
    title = "The partner knows this step by another id"


class ExternalIdTaken(DomainError):
    code = "external_id_taken"
    title = "Another step has this id at the partner"


class CertificateNotFound(NotFound):
    code = "certificate_not_found"
    title = "There is no such certificate"


class CertificateNotEarned(DomainError):
    code = "certificate_not_earned"
    title = "The learner has not completed the program, or its payment is missing"


class CertificateRevokedAlready(DomainError):
    code = "certificate_revoked"
    title = "The certificate is not valid any more"
