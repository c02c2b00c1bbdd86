from .calendar import CalendarFeed
from .courses import CourseStep, CourseStepOption, GroupClass
from .packages import StepProgress, StepProgressQuerySet, StudentPackage, StudentPackageQuerySet
from .places import CohortPlace, CohortPlaceQuerySet, WaitlistEntry, WaitlistQuerySet
from .terms import HAS_ROOM, ClassSession, Cohort, CohortQuerySet, CohortSession

__all__ = [
    "HAS_ROOM",
    "CalendarFeed",
    "ClassSession",
    "Cohort",
    "CohortPlace",
    "CohortPlaceQuerySet",
    "CohortQuerySet",
    "CohortSession",
    "CourseStep",
    "CourseStepOption",
    "GroupClass",
    "StepProgress",
    "StepProgressQuerySet",
    "StudentPackage",
    "StudentPackageQuerySet",
    "WaitlistEntry",
    "WaitlistQuerySet",
]
