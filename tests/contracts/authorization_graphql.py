"""Who may ask GraphQL for what: one row for every field of the roots, and for each field behind a door of its own.

`test_graphql_authorization.py` compares the rows with the schema and requests each field as every caller.
"""

from dataclasses import dataclass

FAMILIES = "families"
ANY_KEY = "any key"


@dataclass(frozen=True, slots=True)
class FieldRow:
    """A field by its type, and a selection that requests it; names in brackets are filled in from the `town` fixture.
    `door` is the scope that a key needs, ANY_KEY, or FAMILIES. `elsewhere` is what another workspace's key gets:
    nothing if it sees its own rows, else a code. `done` is what our own key gets: nothing, or a code if the field is
    refused because of the row's state.
    """

    field: str
    asked: str
    door: str
    elsewhere: str = ""
    done: str = ""

    def __str__(self) -> str:
        return self.field


ENROLLMENTS = "enrollments:read"
CHANGE_ENROLLMENTS = "enrollments:write"
LEARNERS = "learners:read"
CHANGE_LEARNERS = "learners:write"
ENROLLMENT = 'enrollment(id: "[town.offer.enrollment]")'
ID = 'id: "[town.offer.enrollment]"'
INSTANCE = '"[town.offer.instance]"'
DECISIONS = "decisions:read"
PARTNERS = "partners:read"
CHANGE_PARTNERS = "partners:write"
STEP = 'enrollmentId: "[town.training.enrollment]", id: "[town.training.step]", input: {reason: "Said so"'
SUZIE = 'identificationType: customerInfo, firstName: "Suzie", lastName: "Homeowner", email: "s@home.test"'
# About a candidate: a refusal because of its status has a code.
CHANGES = [
    ("createProgram", 'input: {code: "solar", title: "Solar Savers"}) { code }', CHANGE_ENROLLMENTS),
    ("changeProgram", 'code: "town-hall", input: {title: "Sun"}) { title }', CHANGE_ENROLLMENTS, "not_found"),
    (
        "createProgramInstance",
        'input: {programCode: "town-hall", name: "Next year"}) { id }',
        CHANGE_ENROLLMENTS,
        "invalid",
    ),
    ("changeProgramInstance", f'id: {INSTANCE}, input: {{name: "New"}}) {{ id }}', CHANGE_ENROLLMENTS, "not_found"),
    ("evaluateProgramInstance", f"id: {INSTANCE}) {{ id }}", CHANGE_ENROLLMENTS, "not_found"),
    (
        "createEnrollment",
        f"programInstanceId: {INSTANCE}, input: {{{SUZIE}}}) {{ id }}",
        CHANGE_ENROLLMENTS,
        "not_found",
    ),
    ("changeEnrollment", f'{ID}, input: {{tags: ["vip"]}}) {{ id }}', CHANGE_ENROLLMENTS, "not_found"),
    ("deleteEnrollment", f"{ID})", CHANGE_ENROLLMENTS, "not_found"),
    ("evaluateEnrollment", f"{ID}) {{ id }}", CHANGE_ENROLLMENTS, "not_found"),
    ("submitEnrollment", f"{ID}) {{ id }}", CHANGE_ENROLLMENTS, "not_found", "transition_not_allowed"),
    ("approveEnrollment", f"{ID}) {{ id }}", CHANGE_ENROLLMENTS, "not_found", "transition_not_allowed"),
    (
        "rejectEnrollment",
        f'{ID}, input: {{reason: "Said so"}}) {{ id }}',
        CHANGE_ENROLLMENTS,
        "not_found",
        "transition_not_allowed",
    ),
    (
        "unenrollEnrollment",
        f'{ID}, input: {{reason: "Said so"}}) {{ id }}',
        CHANGE_ENROLLMENTS,
        "not_found",
        "transition_not_allowed",
    ),
    ("reconsiderEnrollment", f"{ID}) {{ id }}", CHANGE_ENROLLMENTS, "not_found", "transition_not_allowed"),
    (
        "registerLearner",
        'input: {firstName: "June", lastName: "Roe", email: "june.roe@home.test"}) { id }',
        CHANGE_LEARNERS,
    ),
    ("changeLearner", 'id: "[town.offer.learner]", input: {school: "New"}) { id }', CHANGE_LEARNERS, "not_found"),
    ("createLead", 'input: {lastName: "Roe"}) { id }', CHANGE_LEARNERS),
    ("changeLead", 'id: "[town.offer.lead]", input: {lastName: "Doe"}) { id }', CHANGE_LEARNERS, "not_found"),
    ("undoImport", 'id: "[town.offer.imported]") { id }', CHANGE_ENROLLMENTS, "not_found", "import_not_ready"),
    ("exportEnrollments", f"input: {{programInstanceId: {INSTANCE}}}) {{ id }}", ENROLLMENTS, "invalid"),
    ("registerGuardian", 'input: {email: "ann.roe@home.test"}) { id }', CHANGE_LEARNERS),
    ("changeGuardian", 'id: [town.guardian_id], input: {lastName: "Roe"}) { id }', CHANGE_LEARNERS, "not_found"),
    ("pausePartner", 'slug: "[town.training.partner]") { slug }', CHANGE_PARTNERS, "partner_not_found"),
    ("resumePartner", 'slug: "[town.training.partner]") { slug }', CHANGE_PARTNERS, "partner_not_found"),
    ("retryPartnerStep", f"{STEP}}}) {{ id }}", CHANGE_PARTNERS, "not_found"),
    ("skipPartnerStep", f"{STEP}}}) {{ id }}", CHANGE_PARTNERS, "not_found"),
    ("completePartnerStep", f'{STEP}, evidence: "Certificate 1"}}) {{ id }}', CHANGE_PARTNERS, "not_found"),
    ("reassignPartnerStep", f'{STEP}, partner: "nobody"}}) {{ id }}', CHANGE_PARTNERS, "not_found", "invalid"),
    ("reopenPartnerStep", f"{STEP}}}) {{ id }}", CHANGE_PARTNERS, "not_found", "transition_not_allowed"),
    (
        "bookCourseSessions",
        "packageId: [town.sale.package_id], input: {selections: []}) { autoBooked }",
        FAMILIES,
        "package_not_found",
    ),
    (
        "cancelCourseSession",
        "packageId: [town.sale.package_id], stepId: [town.sale.step_id]) { id }",
        FAMILIES,
        "package_not_found",
    ),
]
ROWS = [
    FieldRow("Query._service", "_service { sdl }", ANY_KEY),
    FieldRow(
        "Query._entities",
        '_entities(representations: [{__typename: "Enrollment", id: "[town.offer.enrollment]"}]) { __typename }',
        ENROLLMENTS,
    ),
    FieldRow("Query.programs", "programs { edges { node { code title } } }", ENROLLMENTS),
    FieldRow("Query.program", 'program(code: "town-hall") { title }', ENROLLMENTS, "not_found"),
    FieldRow("Query.programInstances", "programInstances { edges { node { id name } } }", ENROLLMENTS),
    FieldRow(
        "Query.programInstance", 'programInstance(id: "[town.offer.instance]") { name }', ENROLLMENTS, "not_found"
    ),
    FieldRow(
        "Query.enrollments",
        'enrollments(programInstanceId: "[town.offer.instance]") { edges { node { email } } }',
        ENROLLMENTS,
        "not_found",
    ),
    FieldRow("Query.enrollment", f"{ENROLLMENT} {{ email }}", ENROLLMENTS, "not_found"),
    FieldRow("Query.job", 'job(id: "[town.offer.job]") { status }', ENROLLMENTS, "not_found"),
    FieldRow(
        "Query.tryCriteria",
        f"tryCriteria(programInstanceId: {INSTANCE}, input: {{criteria: []}}) {{ enrollments {{ id }} }}",
        ENROLLMENTS,
        "not_found",
    ),
    FieldRow(
        "Query.import", 'import(id: "[town.offer.imported]") { status errors { line } }', ENROLLMENTS, "not_found"
    ),
    FieldRow(
        "Query.importErrors",
        'importErrors(id: "[town.offer.imported]") { edges { node { line } } }',
        ENROLLMENTS,
        "not_found",
    ),
    FieldRow("Query.export", 'export(id: "[town.offer.export]") { status url }', ENROLLMENTS, "not_found"),
    FieldRow("Query.decisions", "decisions { edges { node { learnerProfile } } }", DECISIONS),
    FieldRow("Query.decision", "decision(id: [town.decision_id]) { learnerProfile }", DECISIONS, "not_found"),
    FieldRow("Query.guardians", "guardians { edges { node { email invitation { email } } } }", LEARNERS),
    FieldRow("Query.guardian", "guardian(id: [town.guardian_id]) { email }", LEARNERS, "not_found"),
    FieldRow("Query.partners", "partners { edges { node { slug } } }", PARTNERS),
    FieldRow("Query.partner", 'partner(slug: "[town.training.partner]") { name }', PARTNERS, "partner_not_found"),
    FieldRow("Query.partnerPipeline", "partnerPipeline { partner stuck { stepId } }", PARTNERS),
    FieldRow(
        "Query.partnerSteps",
        'partnerSteps(enrollmentId: "[town.training.enrollment]") { id launchUrl }',
        PARTNERS,
        "not_found",
    ),
    FieldRow(
        "Query.certificate",
        'certificate(enrollmentId: "[town.training.enrollment]") { serial }',
        ENROLLMENTS,
        "not_found",
        "certificate_not_found",
    ),
    FieldRow("Query.learners", "learners { edges { node { email } } }", LEARNERS),
    FieldRow("Query.learner", 'learner(id: "[town.offer.learner]") { email }', LEARNERS, "not_found"),
    FieldRow("Query.leads", "leads { edges { node { email } } }", LEARNERS),
    FieldRow("Query.lead", 'lead(id: "[town.offer.lead]") { email }', LEARNERS, "not_found"),
    FieldRow("Query.myCoursePackages", "myCoursePackages { packageId }", FAMILIES),
    FieldRow(
        "Query.myCoursePackage",
        "myCoursePackage(packageId: [town.sale.package_id]) { name }",
        FAMILIES,
        "package_not_found",
    ),
    *(FieldRow(f"Mutation.{field}", f"{field}({asked}", *who) for field, asked, *who in CHANGES),
]
# Fields behind a door of their own, besides the one of the field that leads to them.
INNER = {"Enrollment.learner": LEARNERS, "Enrollment.lead": LEARNERS}
