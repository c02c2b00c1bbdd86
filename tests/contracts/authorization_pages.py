"""The rows of `authorization.py` about pages: the answers for a visitor, a family, and a stranger."""

from .callers import for_all, for_families

COURSE_PAGE = "/courses/{town.sale.course_code}"
COHORT_PAGE = f"{COURSE_PAGE}/cohorts/{{town.sale.cohort_id}}"
COHORT_ROUTE = "courses/<str:code>/cohorts/<number:cohort_id>"
PACKAGE_PAGE = "/my/courses/{town.sale.package_id}"
STEP = "{town.sale.step_id}"

ENROLLMENT = "/my/enrollments/{town.offer.enrollment}"

PAGES = [
    for_all(""),
    for_families("my", stranger=302),
    for_families("my/enrollments", stranger=200),
    for_families("my/enrollments/<cuid:cuid>", stranger=404, address=ENROLLMENT),
    for_all("my/applications/<cuid:cuid>/confirm", status=405, address="/my/applications/c2345678901234567890/confirm"),
    for_families("my/enrollments/<cuid:cuid>/leave", stranger=404, address=f"{ENROLLMENT}/leave"),
    for_families("my/enrollments/<cuid:cuid>/refund", stranger=404, address=f"{ENROLLMENT}/refund"),
    for_families("my/learners/<cuid:cuid>/name", stranger=404, address="/my/learners/c2345678901234567890/name"),
    for_families("my/data", stranger=200),
    for_families("my/data/sign-out", stranger=200),
    for_all("my/data/browsers/sign-out", status=405),  # POST only
    for_all(
        "my/data/browsers/<number:sign_in_id>/sign-out", status=405, address="/my/data/browsers/1/sign-out"
    ),  # POST only
    for_families("my/data/<cuid:cuid>/download", stranger=404, address="/my/data/c2345678901234567890/download"),
    for_families(
        "my/data/<cuid:cuid>/consents/<number:consent_id>",
        stranger=404,
        address="/my/data/c2345678901234567890/consents/1",
    ),
    for_families("my/data/<cuid:cuid>/deletion", stranger=404, address="/my/data/c2345678901234567890/deletion"),
    for_families("my/leaving/<cuid:cuid>", stranger=404, address="/my/leaving/c2345678901234567890"),
    for_families("student/progress", stranger=200),
    for_all("accounts/language", status=405),  # POST only
    for_all("certificates/<str:serial>", status=404, address="/certificates/7K3F9-TQ2MX-0B8WC-4HZRD"),
    for_all("certificates/<str:serial>.pdf", status=404, address="/certificates/7K3F9-TQ2MX-0B8WC-4HZRD.pdf"),
    for_all("nudges/<str:token>", status=404, address="/nudges/guessed"),  # by its signed token
    for_families("my/invoices/<cuid:cuid>.pdf", stranger=404, address="/my/invoices/c2345678901234567890.pdf"),
    for_all("courses"),
    for_all("courses/<str:code>", address=COURSE_PAGE),
    for_families(f"{COHORT_ROUTE}/enroll", stranger=200, address=f"{COHORT_PAGE}/enroll"),
    for_all(f"{COHORT_ROUTE}/wait", status=405, address=f"{COHORT_PAGE}/wait"),  # POST only
    for_families(f"{COHORT_ROUTE}/left", stranger=302, address=f"{COHORT_PAGE}/left"),
    for_families("courses/enrolled", stranger=404, address="/courses/enrolled?session_id={town.sale.session_id}"),
    for_families("my/courses", stranger=302),
    for_families("my/courses/<number:package_id>/book", stranger=404, address=f"{PACKAGE_PAGE}/book"),
    for_families(
        "my/courses/<number:package_id>/steps/<number:step_id>", stranger=404, address=f"{PACKAGE_PAGE}/steps/{STEP}"
    ),
    for_all(
        "my/courses/<number:package_id>/steps/<number:step_id>/cancel",
        status=405,
        address=f"{PACKAGE_PAGE}/steps/{STEP}/cancel",
    ),
    for_families(
        "my/sessions/<number:progress_id>.ics", stranger=404, address="/my/sessions/{town.sale.progress_id}.ics"
    ),
    for_all("my/calendar", status=405),
    for_all("calendar/<str:token>.ics", status=404, address="/calendar/guessed.ics"),  # by its unguessable token
    for_all("my/waiting/<number:entry_id>/leave", status=405, address="/my/waiting/1/leave"),
    for_all("programs/<path:code>/<cuid:cuid>/apply", address="/programs/{town.form}/apply"),
    for_all("programs/<path:code>/<cuid:cuid>/apply/sent", address="/programs/{town.form}/apply/sent"),
    for_all("applications/<str:token>", status=404, address="/applications/guessed"),  # by its unguessable token
    for_all("questions/<str:token>", status=404, address="/questions/guessed"),  # by its signed token
    for_all("districts/emails/<str:token>", status=404, address="/districts/emails/guessed"),  # by its signed token
    for_all("seats/<str:token>", status=404, address="/seats/guessed"),  # by its signed token
    for_all("enroll/return", status=404),  # by the unguessable id of a payment session
    for_all("enroll/cancelled", status=404),
    for_all("problems"),
    for_all("problems/<str:code>", address="/problems/not_found"),
    for_all("dev/graphql"),
    for_all("dev/mailbox", status=404),  # in the sandbox only
    # Signing in and out
    for_all("accounts/login/code/", session=302),
    for_all("accounts/login/code/confirm/", status=302),
    for_all("accounts/logout/", status=302, session=200),
    for_all("accounts/inactive/"),
    # Pages that invited guardians open, by an unguessable link
    for_all(
        "accounts/guardians/invitations/<str:token>", status=404, address="/accounts/guardians/invitations/guessed"
    ),
    # How staff get a password: by unguessable links
    for_all("accounts/invitations/<str:token>", status=404, address="/accounts/invitations/guessed"),
    for_all("accounts/staff/password"),
    for_all(
        "accounts/staff/password/<number:user_id>/<str:token>", status=410, address="/accounts/staff/password/1/guessed"
    ),
    # How staff sign in once the password was correct
    for_all("accounts/staff/sign-ins", status=302, staff=200),
    for_all("accounts/staff/sign-ins/end", status=405),  # POST only
    for_all("accounts/staff/sign-ins/<number:sign_in_id>/end", status=405, address="/accounts/staff/sign-ins/1/end"),
    for_all("accounts/staff/passkeys/new", status=302, staff=200),
    for_all(
        "accounts/staff/passkeys/<number:passkey_id>/remove",
        status=302,
        staff=404,
        address="/accounts/staff/passkeys/1/remove",
    ),
    for_all("accounts/staff/second-factor", status=302),
    for_all("accounts/staff/second-factor/app", status=302, staff=200),
    for_all("accounts/staff/second-factor/codes", status=302),
    for_all("accounts/staff/second-factor/off", status=302),
    for_all("accounts/login/", status=302),
    for_all("accounts/signup/", status=302),
]
