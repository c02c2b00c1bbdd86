from .allocating import allocations, idle_seats, what_ifs
from .applying import admissions, applications, participations
from .courses import classes, places
from .enrolling import enrollments, seats
from .importing import imports
from .money import money
from .offering import offers
from .people import consents, guardians, people
from .training import training

AREAS = (
    *(seats, allocations, idle_seats, what_ifs),
    *(enrollments, admissions, participations, applications, imports, offers),
    *(money, places, classes, training),
    *(people, guardians, consents),
)
