"""Who may call what: one row for every route and method, with the answer that each kind of caller gets.

`test_authorization.py` compares the rows with the URL configuration and calls every route as every caller. A route
without a row fails the build, and so does a row without a route.
"""

from .authorization_pages import PAGES
from .billing_routes import ROWS as BILLING_ROWS
from .callers import by_key, by_key_or_session, by_session, for_all
from .partner_routes import ROWS as PARTNER_ROWS
from .router_routes import ROWS as ROUTER_ROWS

SUZIE = {"identificationType": "customerInfo", "firstName": "Suzie", "lastName": "Homeowner", "email": "s@home.test"}
PROGRAM = "/api/programs/town-hall"
PROGRAM_ROUTE = "api/programs/<str:code>"
INSTANCE = "/api/programInstances/{town.offer.instance}"
INSTANCE_ROUTE = "api/programInstances/<cuid:instance_id>"
IMPORT = "/api/imports/{town.offer.imported}"
IMPORT_ROUTE = "api/imports/<cuid:import_id>"
ENROLLMENT = "/api/enrollments/{town.offer.enrollment}"
NO_QUOTE = "c2345678901234567890"
ENROLLMENT_ROUTE = "api/enrollments/<cuid:enrollment_id>"
# About a candidate: what may be done, and what is refused because of its status.
ACTIONS = {"evaluate": 200, "submit": 409, "approve": 409, "reject": 409, "unenroll": 409, "reconsider": 409}
ENROLMENT = "/api/enrolment/{town.offer.number}"
ENROLMENT_ROUTE = "api/enrolment/<number:enrolment_id>"
ON_ACCOUNT = {"course_id": 0, "user_id": "Ada"}  # there is no such course
JUNE = {"firstName": "June", "lastName": "Roe", "email": "june.roe@home.test"}
LEARNER = "/api/learners/{town.offer.learner}"
LEARNER_ROUTE = "api/learners/<cuid:learner_id>"
CONSENTS = f"{LEARNER}/consents"
CONSENTS_ROUTE = f"{LEARNER_ROUTE}/consents"
SIGNED = {
    "purpose": "photos",
    "version": 1,
    "email": "gail.roe@home.test",
    "signedAt": "2026-09-01T15:30:00Z",
    "evidence": "envelope-81f3",
}
WITHDRAWN = {"withdrawnAt": "2026-01-06T15:30:00Z", "evidence": "letter-2210"}
LEAD = "/api/leads/{town.offer.lead}"
LEAD_ROUTE = "api/leads/<cuid:lead_id>"
GUARDIAN = "/api/guardians/{town.guardian_id}"
GUARDIAN_ROUTE = "api/guardians/<number:guardian_id>"
COURSE = "/api/course-programs/{town.sale.course_code}"
COHORT = f"{COURSE}/cohorts/{{town.sale.cohort_id}}"
PACKAGE = "/api/students/me/course-packages/{town.sale.package_id}"
STEP = "{town.sale.step_id}"
HOOK = "/api/webhookEndpoints/{town.hook.endpoint}"
HOOK_ROUTE = "api/webhookEndpoints/<cuid:endpoint_id>"
LISTEN = {"url": "https://receiver.example.org/hooks", "eventTypes": ["*"]}
NO_EXPORT = {"programInstanceId": "c" * 24}  # there is no such instance
NOBODY_OF_THEIRS = {"learnerId": "c" * 24}

ROWS = [
    # Status pages and documentation
    for_all("health"),
    for_all("healthz"),
    for_all("readyz"),
    for_all("metrics", status=404, superuser=200),
    for_all("api/schema"),
    for_all("api/docs"),
    # GraphQL, whose fields have a matrix of their own (authorization_graphql.py)
    by_key_or_session("api/graphql", "POST", body={"query": "{ __typename }"}),
    *ROUTER_ROWS,
    # Programs and enrollments
    by_key("api/programs", "GET", scope="enrollments:read", elsewhere=200),
    by_key(
        "api/programs",
        "POST",
        scope="enrollments:write",
        elsewhere=201,
        done=201,
        body={"code": "solar", "title": "Solar Savers"},
    ),
    by_key(PROGRAM_ROUTE, "GET", scope="enrollments:read", elsewhere=404, address=PROGRAM),
    by_key(PROGRAM_ROUTE, "PATCH", scope="enrollments:write", elsewhere=404, address=PROGRAM, body={"title": "Sun"}),
    by_key("api/programInstances", "GET", scope="enrollments:read", elsewhere=200),
    by_key(
        "api/programInstances",
        "POST",
        scope="enrollments:write",
        elsewhere=422,
        done=201,
        body={"programCode": "town-hall", "name": "Next year"},
    ),
    by_key(INSTANCE_ROUTE, "GET", scope="enrollments:read", elsewhere=404, address=INSTANCE),
    by_key(INSTANCE_ROUTE, "PATCH", scope="enrollments:write", elsewhere=404, address=INSTANCE, body={"name": "New"}),
    by_key(
        f"{INSTANCE_ROUTE}/enrollments",
        "GET",
        scope="enrollments:read",
        elsewhere=404,
        address=f"{INSTANCE}/enrollments",
    ),
    by_key(
        f"{INSTANCE_ROUTE}/enrollments",
        "POST",
        scope="enrollments:write",
        elsewhere=404,
        done=201,
        address=f"{INSTANCE}/enrollments",
        body=SUZIE,
    ),
    by_key(
        f"{INSTANCE_ROUTE}/evaluate",
        "POST",
        scope="enrollments:write",
        elsewhere=404,
        done=202,
        address=f"{INSTANCE}/evaluate",
    ),
    by_key(
        f"{INSTANCE_ROUTE}/criteria/try",
        "POST",
        scope="enrollments:read",
        elsewhere=404,
        address=f"{INSTANCE}/criteria/try",
        body={"criteria": []},
    ),
    by_key(
        f"{INSTANCE_ROUTE}/imports",
        "POST",
        scope="enrollments:write",
        elsewhere=404,
        done=415,  # JSON is not a file
        address=f"{INSTANCE}/imports",
        body={"email": "suzie.homeowner@example.com"},
    ),
    by_key(
        "api/imports",
        "POST",
        scope="enrollments:write",
        elsewhere=415,
        done=415,  # JSON is not an archive
        body={"email": "suzie.homeowner@example.com"},
    ),
    by_key(IMPORT_ROUTE, "GET", scope="enrollments:read", elsewhere=404, address=IMPORT),
    by_key(f"{IMPORT_ROUTE}/errors", "GET", scope="enrollments:read", elsewhere=404, address=f"{IMPORT}/errors"),
    by_key(
        f"{IMPORT_ROUTE}/undo",
        "POST",
        scope="enrollments:write",
        elsewhere=404,
        done=409,  # it is still running
        address=f"{IMPORT}/undo",
    ),
    by_key(
        "api/jobs/<cuid:job_id>",
        "GET",
        scope="enrollments:read",
        elsewhere=404,
        address="/api/jobs/{town.offer.job}",
    ),
    by_key(
        "api/cancellationQuotes",
        "POST",
        scope="enrollments:write",
        elsewhere=404,
        done=404,
        body={"enrollmentIds": [NO_QUOTE]},
    ),
    by_key(
        "api/cancellationQuotes/<cuid:quote_id>",
        "GET",
        scope="enrollments:read",
        elsewhere=404,
        done=404,
        address=f"/api/cancellationQuotes/{NO_QUOTE}",
    ),
    by_key(
        "api/cancellationQuotes/<cuid:quote_id>/confirm",
        "POST",
        scope="enrollments:write",
        elsewhere=404,
        done=404,  # only the person who asked sees a quote: enrollments/tests/test_api_leaving.py
        address=f"/api/cancellationQuotes/{NO_QUOTE}/confirm",
        body={"reason": "Moving"},
    ),
    by_key("api/exports", "POST", scope="enrollments:read", elsewhere=422, done=422, body=NO_EXPORT),
    by_key(
        "api/exports/<cuid:export_id>",
        "GET",
        scope="enrollments:read",
        elsewhere=404,
        address="/api/exports/{town.offer.export}",
    ),
    by_key(
        "api/exports/<cuid:export_id>/file",
        "GET",
        scope="enrollments:read",
        elsewhere=404,
        done=404,  # it is not written yet
        address="/api/exports/{town.offer.export}/file",
    ),
    for_all("exports/<str:token>", status=404, address="/exports/forged"),
    by_key(ENROLLMENT_ROUTE, "GET", scope="enrollments:read", elsewhere=404, address=ENROLLMENT),
    by_key(
        ENROLLMENT_ROUTE,
        "PATCH",
        scope="enrollments:write",
        elsewhere=404,
        address=ENROLLMENT,
        body={"tags": ["vip"]},
    ),
    by_key(ENROLLMENT_ROUTE, "DELETE", scope="enrollments:write", elsewhere=404, done=204, address=ENROLLMENT),
    by_key(
        f"{ENROLLMENT_ROUTE}/history",
        "GET",
        scope="enrollments:read",
        elsewhere=404,
        address=f"{ENROLLMENT}/history",
    ),
    by_key(
        f"{ENROLLMENT_ROUTE}/certificate",
        "GET",
        scope="enrollments:read",
        elsewhere=404,
        done=404,  # it has none
        address=f"{ENROLLMENT}/certificate",
    ),
    *(
        by_key(
            f"{ENROLLMENT_ROUTE}/{action}",
            "POST",
            scope="enrollments:write",
            elsewhere=404,
            done=done,
            address=f"{ENROLLMENT}/{action}",
            body={"reason": "Said so"},
        )
        for action, done in ACTIONS.items()
    ),
    *PARTNER_ROWS,
    *BILLING_ROWS,
    # Learners and leads
    # The enrolment service
    by_key("api/enrolment", "POST", scope="enrollments:write", elsewhere=422, done=422, body=ON_ACCOUNT),
    by_key("api/enrolment/paid", "PATCH", scope="payments:write", elsewhere=404, done=404, body={"enrolment_id": 0}),
    by_key("api/enrolment/expired", "PATCH", scope="enrollments:write", elsewhere=200),
    by_key("api/enrolment/active", "GET", scope="enrollments:read", elsewhere=200),
    for_all("api/enrolment/health"),
    by_key(ENROLMENT_ROUTE, "GET", scope="enrollments:read", elsewhere=404, address=ENROLMENT),
    by_key(ENROLMENT_ROUTE, "DELETE", scope="enrollments:write", elsewhere=404, done=204, address=ENROLMENT),
    by_key(
        f"{ENROLMENT_ROUTE}/details",
        "GET",
        scope="enrollments:read",
        elsewhere=404,
        address=f"{ENROLMENT}/details?user_id=Ada",
    ),
    for_all("invoices/<str:token>", status=404, address="/invoices/1-1.forged"),
    by_key("api/learners", "GET", scope="learners:read", elsewhere=200),
    by_key("api/learners", "POST", scope="learners:write", elsewhere=201, done=201, body=JUNE),
    by_key(LEARNER_ROUTE, "GET", scope="learners:read", elsewhere=404, address=LEARNER),
    by_key(LEARNER_ROUTE, "PATCH", scope="learners:write", elsewhere=404, address=LEARNER, body={"school": "New"}),
    by_key(CONSENTS_ROUTE, "GET", scope="learners:read", elsewhere=404, address=CONSENTS),
    # There is no such text, but another workspace learns even less: there is no such learner.
    by_key(CONSENTS_ROUTE, "POST", scope="learners:write", elsewhere=404, done=422, address=CONSENTS, body=SIGNED),
    by_key(
        f"{CONSENTS_ROUTE}/<number:consent_id>/withdraw",
        "POST",
        scope="learners:write",
        elsewhere=404,
        address=f"{CONSENTS}/{{town.consent_id}}/withdraw",
        body=WITHDRAWN,
    ),
    by_key("api/leads", "GET", scope="learners:read", elsewhere=200),
    by_key("api/leads", "POST", scope="learners:write", elsewhere=201, done=201, body={"lastName": "Roe"}),
    by_key(LEAD_ROUTE, "GET", scope="learners:read", elsewhere=404, address=LEAD),
    by_key(LEAD_ROUTE, "PATCH", scope="learners:write", elsewhere=404, address=LEAD, body={"lastName": "Doe"}),
    by_key("api/events", "GET", scope="events:read", elsewhere=200),
    # Webhooks
    by_key("api/webhookEndpoints", "GET", scope="webhooks:read", elsewhere=200),
    by_key("api/webhookEndpoints", "POST", scope="webhooks:write", elsewhere=201, done=201, body=LISTEN),
    by_key(HOOK_ROUTE, "GET", scope="webhooks:read", elsewhere=404, address=HOOK),
    by_key(HOOK_ROUTE, "PATCH", scope="webhooks:write", elsewhere=404, address=HOOK, body={"enabled": False}),
    by_key(HOOK_ROUTE, "DELETE", scope="webhooks:write", elsewhere=404, done=204, address=HOOK),
    by_key(f"{HOOK_ROUTE}/rotate", "POST", scope="webhooks:write", elsewhere=404, address=f"{HOOK}/rotate"),
    by_key(f"{HOOK_ROUTE}/ping", "POST", scope="webhooks:write", elsewhere=404, done=202, address=f"{HOOK}/ping"),
    by_key(f"{HOOK_ROUTE}/deliveries", "GET", scope="webhooks:read", elsewhere=404, address=f"{HOOK}/deliveries"),
    by_key(
        f"{HOOK_ROUTE}/redeliverFailed",
        "POST",
        scope="webhooks:write",
        elsewhere=404,
        done=202,
        address=f"{HOOK}/redeliverFailed",
    ),
    by_key(
        f"{HOOK_ROUTE}/replay",
        "POST",
        scope="webhooks:write",
        elsewhere=404,
        done=202,
        address=f"{HOOK}/replay",
        body={"since": "2026-09-01T00:00:00Z", "until": "2026-09-02T00:00:00Z"},
    ),
    by_key(
        "api/webhookDeliveries/<cuid:delivery_id>",
        "GET",
        scope="webhooks:read",
        elsewhere=404,
        address="/api/webhookDeliveries/{town.hook.delivery}",
    ),
    by_key(
        "api/webhookDeliveries/<cuid:delivery_id>/redeliver",
        "POST",
        scope="webhooks:write",
        elsewhere=404,
        done=202,
        address="/api/webhookDeliveries/{town.hook.delivery}/redeliver",
    ),
    # Guardians
    by_key("api/guardians", "GET", scope="learners:read", elsewhere=200),
    by_key("api/guardians", "POST", scope="learners:write", elsewhere=201, done=201, body={"externalId": "G-2"}),
    by_key(GUARDIAN_ROUTE, "GET", scope="learners:read", elsewhere=404, address=GUARDIAN),
    by_key(GUARDIAN_ROUTE, "PATCH", scope="learners:write", elsewhere=404, address=GUARDIAN, body={"lastName": "Roe"}),
    by_key(
        f"{GUARDIAN_ROUTE}/invitation",
        "POST",
        scope="learners:write",
        elsewhere=404,
        done=201,
        address=f"{GUARDIAN}/invitation",
        body={"email": "parent@home.test"},
    ),
    by_key(
        f"{GUARDIAN_ROUTE}/invitation",
        "DELETE",
        scope="learners:write",
        elsewhere=404,
        done=204,
        address=f"{GUARDIAN}/invitation",
    ),
    # Courses: the catalog for everybody, the rest for families
    for_all("api/course-programs/browse"),
    for_all("api/course-programs/<str:code>", address=COURSE),
    for_all("api/course-programs/<str:code>/sessions", address=f"{COURSE}/sessions"),
    for_all("api/course-programs/<str:code>/cohorts", address=f"{COURSE}/cohorts"),
    for_all("api/course-programs/<str:code>/cohorts/<number:cohort_id>/sessions", address=f"{COHORT}/sessions"),
    by_session(
        "api/course-programs/<str:code>/cohorts/<number:cohort_id>/enroll",
        "POST",
        stranger=404,
        address=f"{COHORT}/enroll",
        body=NOBODY_OF_THEIRS,
    ),
    by_session(
        "api/course-programs/<str:code>/cohorts/<number:cohort_id>/waitlist",
        "GET",
        stranger=200,
        address=f"{COHORT}/waitlist",
    ),
    by_session(
        "api/course-programs/<str:code>/cohorts/<number:cohort_id>/waitlist",
        "POST",
        stranger=404,
        address=f"{COHORT}/waitlist",
        body=NOBODY_OF_THEIRS,
    ),
    by_session(
        "api/course-programs/<str:code>/cohorts/<number:cohort_id>/waitlist",
        "DELETE",
        stranger=409,
        address=f"{COHORT}/waitlist",
    ),
    by_session(
        "api/enrollment/session/<str:session_id>",
        "GET",
        stranger=403,
        address="/api/enrollment/session/{town.sale.session_id}",
    ),
    by_session("api/students/me/course-packages", "GET", stranger=200),
    by_session("api/students/me/course-packages/<number:package_id>", "GET", stranger=404, address=PACKAGE),
    by_session(
        "api/students/me/course-packages/<number:package_id>/unbooked-steps",
        "GET",
        stranger=404,
        address=f"{PACKAGE}/unbooked-steps",
    ),
    by_session(
        "api/students/me/course-packages/<number:package_id>/book-sessions",
        "POST",
        stranger=404,
        address=f"{PACKAGE}/book-sessions",
        body={"selections": []},
    ),
    by_session(
        "api/students/me/course-packages/<number:package_id>/steps/<number:step_id>/cancel",
        "POST",
        stranger=404,
        address=f"{PACKAGE}/steps/{STEP}/cancel",
    ),
    by_session(
        "api/students/me/course-packages/<number:package_id>/steps/<number:step_id>/swap",
        "POST",
        stranger=404,
        address=f"{PACKAGE}/steps/{STEP}/swap",
        body={"courseStepOptionId": 1},
    ),
    by_session("api/students/me/course-sessions", "GET", stranger=200),
    by_session("api/students/me/calendar-feed", "GET", stranger=200),
    by_session("api/students/me/calendar-feed", "POST", stranger=200),
    by_session("api/students/me/calendar-feed", "DELETE", stranger=204),
    # By signature: an unsigned call is refused, with or without a key
    for_all("api/webhooks/stripe", "POST", status=400),
    for_all("api/webhooks/partners/<slug:slug>", "POST", status=401, address="/api/webhooks/partners/nobody"),
    *PAGES,
]

# The back office is one row: no caller above gets past its sign-in, whatever the page. Roles decide who sees what
# behind it (see backoffice/scoping.py).
BACK_OFFICE = "admin/"
BACK_OFFICE_OPEN = {"admin/login/", "admin/logout/", "admin/jsi18n/"}
