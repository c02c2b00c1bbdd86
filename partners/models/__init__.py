from .inbox import PartnerEvent
from .outages import ProviderOutage
from .providers import Provider
from .sequences import PartnerSequence, SequenceGroup, SequenceItem
from .steps import EnrollmentStep, EnrollmentStepQuerySet, StepTransition

__all__ = [
    "EnrollmentStep",
    "EnrollmentStepQuerySet",
    "PartnerEvent",
    "PartnerSequence",
    "Provider",
    "ProviderOutage",
    "SequenceGroup",
    "SequenceItem",
    "StepTransition",
]
