"""Examples for the OpenAPI document. Sent as they are, they return 200 or 201."""

from drf_spectacular.utils import OpenApiExample

CREATE_PROGRAM = OpenApiExample(
    "A program of a utility",
    request_only=True,
    value={
        "code": "solar-savers",
        "title": "Solar Savers",
        "description": "Rebates for households that share the power of their roofs.",
    },
)
CHANGE_PROGRAM = OpenApiExample("Another title", request_only=True, value={"title": "Solar Savers Plus"})
CREATE_INSTANCE = OpenApiExample(
    "The program as offered next year",
    request_only=True,
    value={
        "programCode": "solar-savers",
        "name": "Solar Savers 2027",
        "startDate": "2027-01-01",
        "endDate": "2027-12-31",
        "reviewMode": "manual",
    },
)
CHANGE_INSTANCE = OpenApiExample(
    "A price, tax included", request_only=True, value={"priceMinor": 4900, "currency": "USD", "taxRate": 8.5}
)
ENROLL_BY_INFO = OpenApiExample(
    "Somebody described in full",
    request_only=True,
    value={
        "identificationType": "customerInfo",
        "firstName": "Suzie",
        "lastName": "Homeowner",
        "email": "suzie.homeowner@example.com",
        "phone": "+1234567890",
        "address": {
            "streetOne": "123 Main St",
            "streetTwo": "Apt 4B",
            "city": "New York",
            "state": "NY",
            "postalCode": "10001",
            "country": "USA",
        },
        "manufacturerSlugs": ["tesla", "enphase"],
        "serialNumber": "1234567890",
        "referenceId": "1234567890",
        "referenceDescription": "Tesla Grid Services id.",
        "tags": ["tag1", "tag2"],
    },
)
EXPORT = OpenApiExample(
    "Everybody who was approved, as a sheet",
    request_only=True,
    value={"programInstanceId": "cllgn0u4r000008l7eazybfbo", "format": "xlsx", "status": "approved"},
)
CHANGE_ENROLLMENT = OpenApiExample(
    "Different tags, and one metadata key",
    request_only=True,
    value={"tags": ["pilot"], "metadata": {"inverter": "SE7600H"}},
)
_STILL = "If it is still in the status that was read"
SUBMIT = OpenApiExample(_STILL, request_only=True, value={"expectedStatus": "eligible"})
APPROVE = OpenApiExample(_STILL, request_only=True, value={"expectedStatus": "submitted"})
RECONSIDER = OpenApiExample(_STILL, request_only=True, value={"expectedStatus": "rejected"})
EVALUATE = OpenApiExample("By the criteria", request_only=True, value={})
EVALUATE_QUIETLY = OpenApiExample("Telling nobody", request_only=True, value={"tellFamilies": False})
REJECT = OpenApiExample("With what the person reads", request_only=True, value={"reason": "The documents are missing."})
UNENROLL = OpenApiExample(
    "At once, with what was said",
    request_only=True,
    value={"reason": "Moved away", "metadata": {"exitReason": "moved"}},
)
TRY_CRITERIA = OpenApiExample(
    "Two criteria and a sample person",
    request_only=True,
    value={
        "criteria": [
            {"name": "Area", "expression": "address.state == 'NY'", "otherwise": "Outside the service area"},
            {"name": "Device", "expression": "'enphase' in manufacturerSlugs", "otherwise": "No such device"},
        ],
        "sample": {"address": {"state": "NY"}, "manufacturerSlugs": ["enphase"]},
    },
)
IMPORT_CSV = OpenApiExample(
    "Two candidates as CSV",
    request_only=True,
    media_type="text/csv",
    value=(
        "firstName,lastName,email,state,manufacturerSlugs,metadata.age\n"
        'Suzie,Homeowner,suzie@home.test,NY,"tesla,enphase",41\n'
        "Leo,Renter,leo@home.test,NJ,enphase,35\n"
    ),
)
IMPORT_JSON_LINES = OpenApiExample(
    "Two candidates as JSON lines",
    request_only=True,
    media_type="application/x-ndjson",
    value=(
        '{"firstName": "Suzie", "lastName": "Homeowner", "email": "suzie@home.test", "address": {"state": "NY"}}\n'
        '{"firstName": "Leo", "lastName": "Renter", "email": "leo@home.test", "metadata": {"age": 35}}\n'
    ),
)
