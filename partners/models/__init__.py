from .certificates import Certificate, CertificateQuerySet
from .inbox import PartnerEvent
from .outages import ProviderOutage
from .providers import Provider
from .sequences import PartnerSequence, SequenceGroup, SequenceItem
from .standing import is_breach, is_stuck
from .steps import EnrollmentStep, EnrollmentStepQuerySet, StepTransition

__all__ = [
    "Certificate",
    "CertificateQuerySet",
    "EnrollmentStep",
    "EnrollmentStepQuerySet",
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
