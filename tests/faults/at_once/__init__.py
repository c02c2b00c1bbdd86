from .courses import classes, places
from .enrolling import enrollments, seats
from .money import money
from .people import consents, guardians, people
from .training import training

AREAS = (seats, enrollments, money, places, classes, people, guardians, consents, training)
