from .inbox import PartnerEvent
from .providers import Provider
from .sequences import PartnerSequence, SequenceGroup, SequenceItem
from .steps import EnrollmentStep, EnrollmentStepQuerySet, StepTransition

__all__ = [
    "EnrollmentStep",
    "EnrollmentStepQuerySet",
    "PartnerEvent",
    "PartnerSequence",
    "Provider",
    "SequenceGroup",
    "SequenceItem",
    "StepTransition",
]
