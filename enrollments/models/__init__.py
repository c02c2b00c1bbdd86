from .decisions import EnrollmentDecision
from .enrollments import Enrollment, EnrollmentTransition
from .exits import PlannedExit
from .programs import Program, ProgramInstance
from .seats import District, DistrictSeatAllocation, SeatAssignment

__all__ = [
    "District",
    "DistrictSeatAllocation",
    "Enrollment",
    "EnrollmentDecision",
    "EnrollmentTransition",
    "PlannedExit",
    "Program",
    "ProgramInstance",
    "SeatAssignment",
]
