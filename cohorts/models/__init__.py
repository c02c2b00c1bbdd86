from .calendar import CalendarFeed
from .courses import CourseStep, CourseStepOption, GroupClass
from .packages import StepProgress, StudentPackage
from .places import CohortPlace, WaitlistEntry
from .terms import ClassSession, Cohort, CohortSession

__all__ = [
    "CalendarFeed",
    "ClassSession",
    "Cohort",
    "CohortPlace",
    "CohortSession",
    "CourseStep",
    "CourseStepOption",
    "GroupClass",
    "StepProgress",
    "StudentPackage",
    "WaitlistEntry",
]
