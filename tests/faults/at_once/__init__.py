from .allocating import allocations, idle_seats, what_ifs
from .applying import admissions, applications, participations
from .books import books, invoices, prices
from .courses import classes, places
from .enrolling import enrollments, seats
from .families import families
from .importing import imports
from .money import checkouts, money, notices
from .offering import offers
from .people import consents, guardians, people
from .telling import events, mails, webhooks
from .terms import curriculum, terms
from .training import certificates, nudges, partners, training

AREAS = (
    *(seats, allocations, idle_seats, what_ifs),
    *(enrollments, admissions, participations, applications, imports, offers),
    *(money, checkouts, notices, invoices, books, prices),
    *(places, families, classes, terms, curriculum),
    *(training, certificates, partners, nudges),
    *(events, webhooks, mails),
    *(people, guardians, consents),
)
