from .certificates import Certificate, CertificateQuerySet
from .inbox import PartnerEvent
from .nudges import AT_MOST, WEEK, Nudge, NudgeQuerySet
from .outages import ProviderOutage
from .providers import Provider
from .sequences import PartnerSequence, SequenceGroup, SequenceItem
from .standing import is_breach, is_stuck
from .steps import EnrollmentStep, EnrollmentStepQuerySet, StepTransition

__all__ = [
    "AT_MOST",
    "WEEK",
    "Certificate",
    "CertificateQuerySet",
    "EnrollmentStep",
    "EnrollmentStepQuerySet",
    "Nudge",
    "NudgeQuerySet",
    "PartnerEvent",
    "PartnerSequence",
    "Provider",
    "ProviderOutage",
    "SequenceGroup",
    "SequenceItem",
    "StepTransition",
    "is_breach",
    "is_stuck",
]
