from .api_keys import ApiKey
from .consents import Consent, ConsentText
from .guardians import Guardian, Guardianship
from .invitations import GuardianInvitation, Invitation, StaffInvitation
from .learners import (
    Lead,
    Learner,
    LearnerMerge,
    LearnerQuerySet,
    external_key,
    identity_by_person,
    identity_of_twin,
    person_key,
)
from .names import NameChange
from .second_factors import Passkey, SecondFactor
from .sign_ins import FamilySignIn, StaffSignIn
from .staff_tasks import StaffTask
from .users import Membership, User, UserManager
from .workspaces import Workspace, default_language, default_timezone

__all__ = [
    "ApiKey",
    "Consent",
    "ConsentText",
    "FamilySignIn",
    "Guardian",
    "GuardianInvitation",
    "Guardianship",
    "Invitation",
    "Lead",
    "Learner",
    "LearnerMerge",
    "LearnerQuerySet",
    "Membership",
    "NameChange",
    "Passkey",
    "SecondFactor",
    "StaffInvitation",
    "StaffSignIn",
    "StaffTask",
    "User",
    "UserManager",
    "Workspace",
    "default_language",
    "default_timezone",
    "external_key",
    "identity_by_person",
    "identity_of_twin",
    "person_key",
]
