"""The promises of the program-enrollments document, row by row, and the test of each: file, class, and method."""

HERE = "enrollments/tests/test_document.py"
ENROLLING = "enrollments/tests/test_api_enrolling.py"
ENROLLMENTS = "enrollments/tests/test_api_enrollments.py"
LISTS = "enrollments/tests/test_api_lists.py"
ACTIONS = "enrollments/tests/test_api_actions.py"
# Section and row of the document -> the test that shows it.
Shown = tuple[str, str, str]
ROWS: dict[str, Shown] = {
    "Statuses: candidate": (HERE, "TestAStatus", "test_candidate_is_the_first"),
    "Statuses: eligible": (HERE, "TestAStatus", "test_eligible_meets_all_criteria_and_can_proceed"),
    "Statuses: ineligible": (HERE, "TestAStatus", "test_ineligible_does_not_meet_the_criteria"),
    "Statuses: submitted": (HERE, "TestAStatus", "test_submitted_awaits_review"),
    "Statuses: approved": (HERE, "TestAStatus", "test_approved_was_reviewed_and_takes_part"),
    "Statuses: rejected": (HERE, "TestAStatus", "test_rejected_was_reviewed_and_denied"),
    "Statuses: unenrolled": (HERE, "TestAStatus", "test_unenrolled_has_left"),
    "Flow: candidate, eligible, submitted, approved, unenrolled": (
        HERE,
        "TestTheFlow",
        "test_leads_from_candidate_to_exit",
    ),
    "Flow: not met, the process stops": (HERE, "TestTheFlow", "test_stops_at_ineligible"),
    "Flow: rejected, the process stops": (HERE, "TestTheFlow", "test_stops_at_rejected"),
    "Reasons: eligible": (HERE, "TestTheReason", "test_of_an_eligible_one_is_what_qualifies"),
    "Reasons: ineligible": (HERE, "TestTheReason", "test_of_an_ineligible_one_is_what_disqualifies"),
    "Reasons: rejected": (HERE, "TestTheReason", "test_of_a_rejected_one_is_the_reviewers"),
    "Identification: leadId": (
        ENROLLING,
        "TestLeadId",
        "test_keeps_the_lead_until_the_first_approval_makes_a_learner_of_it",
    ),
    "Identification: customerId": (ENROLLING, "TestCustomerId", "test_takes_names_and_email_from_the_learner"),
    "Identification: enrollmentId": (
        ENROLLING,
        "TestEnrollmentId",
        "test_enrolls_the_same_person_again_as_a_new_linked_record",
    ),
    "Identification: customerInfo": (ENROLLING, "TestCustomerInfo", "test_enrolls_the_documents_own_example"),
    "Identification: one is required": (ENROLLING, "TestAnIdentification", "test_needs_its_identity"),
    "Identification: known names are not sent": (
        ENROLLING,
        "TestCustomerId",
        "test_refuses_what_the_learner_is_known_by",
    ),
    **{
        f"Data model: {field}": (HERE, "TestAField", "test_is_kept_and_shown")
        for field in (
            *("id", "identificationType", "programInstanceId", "address", "phone", "manufacturerSlugs", "metadata"),
            *("serialNumber", "referenceId", "referenceDescription", "tags", "firstName", "lastName", "email"),
            *("eligibilityStatus", "eligibilityReason", "customerId"),
        )
    },
    "Data model: enrollmentStartDate": (HERE, "TestAField", "test_enrollment_start_date_is_there_once_it_is_approved"),
    "Data model: leadId": (HERE, "TestAField", "test_lead_id_is_there_where_a_lead_enrolled"),
    "Data model: enrollmentId": (HERE, "TestAField", "test_enrollment_id_is_there_where_somebody_enrolled_again"),
    "Rule 1: only eligible can be submitted": (HERE, "TestARule", "test_only_eligible_ones_are_submitted"),
    "Rule 2: only submitted can be approved or rejected": (
        HERE,
        "TestARule",
        "test_only_submitted_ones_are_approved_or_rejected",
    ),
    "Rule 3: only approved can be unenrolled": (HERE, "TestARule", "test_only_approved_ones_are_unenrolled"),
    "Rule 4: rejected and ineligible are terminal": (
        HERE,
        "TestARule",
        "test_rejected_and_ineligible_end_unless_criteria_change",
    ),
    "Rule 5: changes notify": (HERE, "TestARule", "test_a_change_is_told_to_the_customer_and_to_administrators"),
    "Rules: all other transitions": (
        ACTIONS,
        "TestFromEachStatus",
        "test_an_action_leads_where_the_document_says_or_names_both_states",
    ),
    "Endpoints: GET enrollment": (ENROLLMENTS, "TestAnEnrollment", "test_is_read_with_and_without_a_slash"),
    "Endpoints: DELETE enrollment": (ENROLLMENTS, "TestDeleting", "test_is_answered_with_204_and_then_nobody_finds_it"),
    "Endpoints: GET enrollments of an instance": (LISTS, "TestAPage", "test_by_number_has_the_shape_of_the_document"),
    "Endpoints: POST enrollment": (ENROLLING, "TestCustomerInfo", "test_enrolls_the_documents_own_example"),
    "Access: an API key": (HERE, "TestAccess", "test_needs_a_key"),
    "Access: a scoped key": (HERE, "TestAccess", "test_needs_a_scope_for_what_it_does"),
    "Access: the workspace": (ENROLLMENTS, "TestAnEnrollment", "test_of_another_workspace_or_deleted_is_not_found"),
    "Events: enrollment.created": (HERE, "TestAnEvent", "test_created_when_an_enrollment_is_made"),
    "Events: enrollment.updated": (HERE, "TestAnEvent", "test_updated_when_its_data_change"),
    "Events: enrollment.status_changed": (HERE, "TestAnEvent", "test_status_changed_when_it_moves"),
    "Use cases: evaluating many candidates": (
        HERE,
        "TestAUseCase",
        "test_screening_evaluates_all_and_tells_the_eligible",
    ),
    "Use cases: self-enrollment": (HERE, "TestAUseCase", "test_self_enrollment_ends_in_review"),
    "Use cases: program exit": (HERE, "TestAUseCase", "test_exit_keeps_its_reason_in_the_metadata"),
}
