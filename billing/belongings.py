"""What learners have here, for when two of them turn out to be one."""

from accounts.belongings import Belonging, register_belonging

from .models import Voucher

register_belonging(Belonging(Voucher, "learner", "vouchers"))
