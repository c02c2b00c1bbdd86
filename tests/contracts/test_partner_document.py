"""The partner-automation document's testing checklist and its three automation flows, and the holes that it leaves:
which test covers each.
"""

import importlib

import pytest

CHECKLIST = {
    "Apply database migration": "tests/architecture/test_migrations.py::TestModels::test_have_the_migrations_they_need",
    "Verify all 5 functions created": (
        "tests/contracts/test_partner_document.py::TestTheFiveFunctions::test_are_there_by_their_documented_names"
    ),
    "Test step generation on enrollment": (
        "partners/tests/test_progression.py::TestApproval::test_gives_a_step_for_each_item_and_queues_the_first"
    ),
    "Test step completion and advancement": (
        "partners/tests/test_progression.py::TestCompletion::test_of_a_step_queues_the_next"
    ),
    "Test enrollment completion detection": (
        "partners/tests/test_progression.py::TestCompletion::test_of_the_last_step_completes_the_participation"
    ),
    "Simulate webhook course completion": (
        "partners/tests/test_inbox.py::TestACompletion::test_completes_the_step_and_begins_the_next"
    ),
    "Verify auto-enrollment in next partner": (
        "partners/tests/test_flows.py::TestPartnerCompletion::test_takes_the_learner_by_a_webhook_to_the_next_partner"
    ),
    "Test student progress UI": (
        "tests/journeys/test_partners.py::TestALearnerAtPartners::"
        "test_comes_from_approval_to_a_certificate_although_the_worker_dies"
    ),
    "Test admin pipeline view": "partners/tests/test_pipeline.py::TestTheFigures::test_count_each_step_once",
    "Verify stuck students detection": (
        "partners/tests/test_stuck.py::TestStuck::test_is_whoever_is_in_progress_for_longer_than_the_partner_allows"
    ),
}
FLOWS = {
    "Enrollment Creation": (
        "partners/tests/test_flows.py::TestEnrollmentCreation::test_takes_a_learner_from_approval_to_the_first_partner"
    ),
    "Partner Completion": CHECKLIST["Verify auto-enrollment in next partner"],
    "Program Completion": (
        "partners/tests/test_flows.py::TestProgramCompletion::test_ends_with_a_certificate_and_a_mail_that_has_its_link"
    ),
}
# What the document leaves open, and the test that fails without its guard.
HOLES = {
    "One secret for all partners": (
        "partners/tests/test_inbox.py::TestAMessageThatIsRefused::test_is_signed_by_another_partner"
    ),
    "A secret compared unsafely, or no signature at all": (
        "partners/tests/test_inbox.py::TestAMessageThatIsRefused::test_is_not_signed_rightly"
    ),
    "No check against replays": (
        "partners/tests/test_inbox.py::TestAMessageThatIsRefused::test_is_too_old_or_of_the_future"
    ),
    "A completion for an unknown step is lost with 200": (
        "partners/tests/test_inbox.py::TestAMessage::test_about_nobody_we_know_is_kept_unmatched"
    ),
    "A completion for a step that is not current is lost with 200": (
        "partners/tests/test_inbox.py::TestACompletion::test_that_comes_before_the_acceptance_waits_for_it"
    ),
    "A replay advances twice": (
        "partners/tests/test_inbox.py::TestACompletion::test_under_another_message_id_completes_nothing_more"
    ),
    "Failed steps count as complete": (
        "partners/tests/test_progression.py::TestCompletion::test_never_comes_of_a_failed_step"
    ),
    "No steps count as complete": (
        "partners/tests/test_progression.py::TestCompletion::test_never_comes_of_having_no_steps"
    ),
    "In progress before the partner accepted": (
        "partners/tests/test_enrolling.py::TestAQueuedStep::test_is_in_progress_once_the_partner_accepted"
    ),
    "Retries are only planned": (
        "partners/tests/test_enrolling.py::TestAPartnerThatDoesNotAnswer::test_is_asked_again_later_and_later"
    ),
}
FUNCTIONS = (
    "generate_enrollment_steps",
    "get_current_step",
    "advance_to_next_step",
    "mark_step_complete",
    "is_enrollment_complete",
)


class TestTheDocument:
    @pytest.mark.parametrize("row", [*CHECKLIST, *FLOWS, *HOLES])
    def test_has_each_row_shown_by_a_test_that_pytest_collects(self, row: str) -> None:
        path, group, name = (CHECKLIST | FLOWS | HOLES)[row].split("::")

        module = importlib.import_module(path.removesuffix(".py").replace("/", "."))

        assert group.startswith("Test")
        assert name.startswith("test_")
        assert callable(getattr(getattr(module, group), name))


class TestTheFiveFunctions:
    def test_are_there_by_their_documented_names(self) -> None:
        module = importlib.import_module("partners.progression")

        assert [name for name in FUNCTIONS if not callable(getattr(module, name, None))] == []
