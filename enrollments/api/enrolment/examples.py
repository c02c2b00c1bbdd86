"""Examples for the OpenAPI document, taken from the enrolment service's document."""

from drf_spectacular.utils import OpenApiExample

CREATE = OpenApiExample("On account", request_only=True, value={"course_id": 1, "user_id": "63a1f1234abc5678def12345"})
CREATED = OpenApiExample(
    "Enrolled, and not paid yet",
    response_only=True,
    value={
        "id": 1,
        "user_id": "63a1f1234abc5678def12345",
        "course_id": 1,
        "status": "active",
        "payment_status": "pending",
        "invoice_url": None,
    },
)
PAY = OpenApiExample("Paid outside Stripe", request_only=True, value={"enrolment_id": 1})
PAID = OpenApiExample(
    "Paid, with an invoice",
    response_only=True,
    value={
        "id": 1,
        "user_id": "63a1f1234abc5678def12345",
        "course_id": 1,
        "status": "active",
        "payment_status": "paid",
        "invoice_url": "https://enroll.example.com/invoices/123-1.Kq8s",
    },
)
