from .criteria import Criterion, EligibilityVerdict
from .decisions import EnrollmentDecision
from .enrollments import Enrollment, EnrollmentTransition
from .evaluations import EvaluationJob
from .exits import PlannedExit
from .forms import Application, ApplicationFile, ApplicationQuestion
from .idle import IdleSeat
from .imports import ImportedRow, ImportFault, ImportJob
from .labels import EnrollmentLabel
from .leaving import CancellationQuote, QuotedExit
from .programs import Program, ProgramInstance
from .refunds import RefundPolicy, RefundPolicyTier
from .reviews import HeldReview, Inquiry, OpenCase, ReviewReason
from .seats import AllocationChange, District, DistrictSeatAllocation, SeatAssignment
from .what_ifs import ProposedSeats, WhatIf

__all__ = [
    "AllocationChange",
    "Application",
    "ApplicationFile",
    "ApplicationQuestion",
    "CancellationQuote",
    "Criterion",
    "District",
    "DistrictSeatAllocation",
    "EligibilityVerdict",
    "Enrollment",
    "EnrollmentDecision",
    "EnrollmentLabel",
    "EnrollmentTransition",
    "EvaluationJob",
    "HeldReview",
    "IdleSeat",
    "ImportFault",
    "ImportJob",
    "ImportedRow",
    "Inquiry",
    "OpenCase",
    "PlannedExit",
    "Program",
    "ProgramInstance",
    "ProposedSeats",
    "QuotedExit",
    "RefundPolicy",
    "RefundPolicyTier",
    "ReviewReason",
    "SeatAssignment",
    "WhatIf",
]
