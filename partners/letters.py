"""The texts of the mail about a certificate. A workspace may write its own."""

from notifications.letters import Email
from notifications.wording import Placeholder, Wording, register_wording, write_letter

from .certificate_paper import verification_url
from .models import Certificate

ISSUED = "certificate_issued"

register_wording(
    Wording(
        ISSUED,
        "Certificate: issued",
        "partners/certificate_issued",
        (
            Placeholder("learner", "the learner's first name", "Mia"),
            Placeholder("program", "the program", "Robotics"),
            Placeholder("workspace", "your organization", "Riverside Academy"),
            Placeholder(
                "link",
                "the address of the certificate",
                "https://enroll.example.org/certificates/7K3F9-TQ2MX-0B8WC-4HZRD",
            ),
        ),
    )
)


def write_certificate(certificate: Certificate) -> Email:
    enrollment = certificate.enrollment
    values = {
        "learner": enrollment.person.first_name,
        "program": certificate.program_title,
        "workspace": enrollment.workspace.name,
        "link": verification_url(certificate),
    }
    return write_letter(kind=ISSUED, workspace_id=enrollment.workspace_id, values=values)
