"""For every check and every unique index of the database, rows that only this rule refuses.

References point nowhere: they are checked when a transaction commits, which none of these does.
"""

import datetime as dt
import itertools
from typing import Any

from django.apps import apps
from django.db.models import Field, Model

from . import refused_rows_of_books, refused_rows_of_consents, refused_rows_of_vouchers, refused_seats
from .refused_shapes import FIVE, LATER, MONDAY, NOW, SIX, TUESDAY, Broken, Twice

_numbers = itertools.count(1)

# What a valid row needs beyond a value of the right type in each column.
VALID: dict[str, dict[str, Any]] = {
    **refused_rows_of_books.VALID,
    **refused_rows_of_consents.VALID,
    **refused_seats.VALID,
    **refused_rows_of_vouchers.VALID,
    "accounts.Guardian": {"external_id": None, "email": "g@example.test"},
    "accounts.LearnerMerge": {"kept_id": 1, "dropped_id": 2},
    "accounts.NameChange": {"is_applied": False},
    "accounts.StaffInvitation": {"role": "viewer"},
    "backoffice.Export": {"format": "csv", "requested_by_id": 1},
    "backoffice.SavedList": {"user_id": 1, "model": "billing.payment", "name": "Mine", "query": "a=b"},
    "billing.Checkout": {"currency": "usd"},
    "billing.Invoice": {"currency": "usd", "status": "issued", "number": "1", "issued_at": NOW},
    "billing.Seller": {"provider": "local"},
    "billing.Price": {"currency": "usd"},
    "cohorts.ClassSession": {"starts_at": NOW, "ends_at": LATER},
    "cohorts.Cohort": {"start_date": MONDAY, "end_date": TUESDAY},
    "cohorts.GroupClass": {"day_of_week": 0, "start_time": FIVE, "end_time": SIX},
    "enrollments.EligibilityVerdict": {"outcome": "eligible"},
    "enrollments.Application": {"applicant": "guardian"},
    "enrollments.Enrollment": {"learner_id": None, "lead_id": 1},
    "enrollments.EnrollmentDecision": {"status": "failed"},
    "enrollments.EnrollmentLabel": {"kind": "tag"},
    "enrollments.EnrollmentTransition": {"facet": "payment"},
    "enrollments.HeldReview": {"status": "held", "settled_at": None, "outcome": "approved"},
    "enrollments.ImportJob": {"stage": "import"},
    "enrollments.Inquiry": {"status": "open", "settled_at": None, "answer": ""},
    "enrollments.PlannedExit": {"status": "planned"},
    "enrollments.CancellationQuote": {"expires_at": LATER, "confirmed_at": None},
    "enrollments.QuotedExit": {
        "settlement": "no_money",
        "currency": "usd",
        "paid_minor": 0,
        "back_minor": 0,
        "returned_minor": 0,
    },
    "enrollments.RefundPolicy": {"instance_id": None},
    "enrollments.RefundPolicyTier": {"until_date": MONDAY},
    "events.WebhookDelivery": {"status": "pending"},
    "events.WebhookEndpoint": {"disabled_reason": ""},
    "privacy.Erasure": {"reason": "asked"},
    "privacy.Forgotten": {"kind": "mails"},
    "partners.Certificate": {"revocation": "", "revoked_at": None},
    "partners.Nudge": {"enrollment_id": 1, "stopped_by": ""},
    "partners.Provider": {"base_url": "https://lms.example.test"},
    "partners.ProviderOutage": {"reason": "paused", "began_at": NOW, "ended_at": LATER},
}


CHECKS = {
    **refused_seats.CHECKS,
    "guardian_invitation_ends_once": Broken(
        "accounts.GuardianInvitation", {"accepted_at": NOW, "revoked_at": NOW}, {"accepted_at": NOW, "revoked_at": None}
    ),
    "guardian_known_by_something": Broken("accounts.Guardian", {"external_id": None, "email": None}),
    "learner_merge_of_two": Broken("accounts.LearnerMerge", {"kept_id": 1, "dropped_id": 1}),
    "learner_not_merged_into_itself": Broken(
        "accounts.Learner", {"id": 7, "merged_into_id": 7}, {"id": 7, "merged_into_id": 8}
    ),
    "membership_role_known": Broken("accounts.Membership", {"role": "boss"}),
    "name_change_applied_was_decided": Broken(
        "accounts.NameChange", {"is_applied": True, "decided_at": None}, {"is_applied": True, "decided_at": NOW}
    ),
    "staff_invitation_ends_once": Broken(
        "accounts.StaffInvitation", {"accepted_at": NOW, "revoked_at": NOW}, {"accepted_at": NOW}
    ),
    "staff_invitation_role_known": Broken("accounts.StaffInvitation", {"role": "boss"}),
    "staff_task_status_known": Broken("accounts.StaffTask", {"status": "lost"}),
    "checkout_amount_positive": Broken("billing.Checkout", {"amount_minor": 0}, {"amount_minor": 1}),
    "checkout_status_known": Broken("billing.Checkout", {"status": "lost"}),
    "dispute_status_known": Broken("billing.Dispute", {"status": "gone"}),
    "invoice_amount_positive": Broken("billing.Invoice", {"amount_minor": 0}, {"amount_minor": -1, "corrects_id": 1}),
    "invoice_provider_known": Broken("billing.Invoice", {"provider": "another"}),
    "invoice_status_known": Broken("billing.Invoice", {"status": "another"}),
    "invoice_numbered_iff_issued": Broken(
        "billing.Invoice", {"number": ""}, {"status": "requested", "number": "", "issued_at": None}
    ),
    "payment_refunds_within_amount": Broken(
        "billing.Payment", {"amount_minor": 5, "refunded_minor": 6}, {"amount_minor": 5, "refunded_minor": 5}
    ),
    "payment_offline_is_vouched_for": Broken("billing.Payment", {"recorded_by": ""}),
    "payment_status_known": Broken("billing.Payment", {"status": "lost"}),
    "payment_stripe_has_intent": Broken(
        "billing.Payment",
        {"method": "stripe", "payment_intent_id": None},
        {"method": "stripe", "payment_intent_id": "pi_1"},
    ),
    "price_currency_lower": Broken("billing.Price", {"currency": "USD"}, {"currency": "usd"}),
    "price_tax_rate_in_percent": Broken("billing.Price", {"tax_rate": 101}, {"tax_rate": 100}),
    "price_positive": Broken("billing.Price", {"amount_minor": 0}, {"amount_minor": 1}),
    "refund_amount_positive": Broken("billing.Refund", {"amount_minor": 0}, {"amount_minor": 1}),
    "refund_status_known": Broken("billing.Refund", {"status": "lost"}),
    "class_session_never_overbooked": Broken(
        "cohorts.ClassSession", {"max_students": 2, "booked_count": 3}, {"max_students": 2, "booked_count": 2}
    ),
    "class_session_times_in_order": Broken(
        "cohorts.ClassSession", {"starts_at": NOW, "ends_at": NOW}, {"starts_at": NOW, "ends_at": LATER}
    ),
    "cohort_dates_in_order": Broken(
        "cohorts.Cohort",
        {"start_date": TUESDAY, "end_date": MONDAY},
        {"start_date": TUESDAY, "end_date": TUESDAY},
    ),
    "cohort_never_oversold": Broken(
        "cohorts.Cohort",
        {"max_enrollment": 5, "current_enrollment": 3, "held_places": 3},
        {"max_enrollment": 5, "current_enrollment": 3, "held_places": 2},
    ),
    "group_class_day_known": Broken("cohorts.GroupClass", {"day_of_week": 7}, {"day_of_week": 6}),
    "export_status_known": Broken("backoffice.Export", {"status": "lost"}),
    "saved_list_named_iff_filter": Broken("backoffice.SavedList", {"name": ""}, {"query": "a=b"}),
    "export_format_known": Broken("backoffice.Export", {"format": "pdf"}),
    "export_asked_for_by_somebody": Broken(
        "backoffice.Export", {"workspace_id": None, "requested_by_id": None}, {"workspace_id": 1}
    ),
    "evaluation_status_known": Broken("enrollments.EvaluationJob", {"status": "lost"}),
    "import_status_known": Broken("enrollments.ImportJob", {"status": "lost"}),
    "import_stage_known": Broken("enrollments.ImportJob", {"stage": "lost"}),
    "verdict_outcome_known": Broken("enrollments.EligibilityVerdict", {"outcome": "perhaps"}),
    "group_class_times_in_order": Broken(
        "cohorts.GroupClass", {"start_time": SIX, "end_time": SIX}, {"start_time": FIVE, "end_time": SIX}
    ),
    "place_status_known": Broken("cohorts.CohortPlace", {"status": "lost"}),
    "progress_session_iff_seated": Broken(
        "cohorts.StepProgress",
        {"status": "BOOKED", "class_session_id": None},
        {"status": "BOOKED", "class_session_id": 1},
    ),
    "progress_status_known": Broken("cohorts.StepProgress", {"status": "LOST", "class_session_id": None}),
    "step_order_from_one": Broken("cohorts.CourseStep", {"order": 0}, {"order": 1}),
    "waitlist_status_known": Broken("cohorts.WaitlistEntry", {"status": "lost"}),
    "applicant_known": Broken("enrollments.Application", {"applicant": "robot"}),
    "application_confirmed_iff_enrolled": Broken(
        "enrollments.Application",
        {"confirmed_at": NOW, "enrollment_id": None},
        {"confirmed_at": None, "enrollment_id": None},
    ),
    "decision_status_known": Broken("enrollments.EnrollmentDecision", {"status": "lost"}),
    "enrollment_about_somebody": Broken("enrollments.Enrollment", {"learner_id": None, "lead_id": None}),
    "enrollment_label_kind_known": Broken("enrollments.EnrollmentLabel", {"kind": "color"}, {"kind": "tag"}),
    "enrollment_eligibility_known": Broken("enrollments.Enrollment", {"eligibility_status": "lost"}),
    "enrollment_participation_known": Broken("enrollments.Enrollment", {"participation_status": "lost"}),
    "enrollment_payment_known": Broken("enrollments.Enrollment", {"payment_status": "lost"}),
    "instance_dates_in_order": Broken(
        "enrollments.ProgramInstance",
        {"start_date": TUESDAY, "end_date": MONDAY},
        {"start_date": TUESDAY, "end_date": TUESDAY},
    ),
    "question_kind_known": Broken("enrollments.ApplicationQuestion", {"kind": "riddle"}),
    "instance_review_known": Broken("enrollments.ProgramInstance", {"review_mode": "none"}),
    "held_review_outcome_known": Broken("enrollments.HeldReview", {"outcome": "lost", "reason": "Why"}),
    "held_review_says_why": Broken("enrollments.HeldReview", {"outcome": "rejected", "reason": ""}, {"reason": "Why"}),
    "held_review_settled_unless_held": Broken(
        "enrollments.HeldReview", {"status": "undone", "settled_at": None}, {"status": "undone", "settled_at": NOW}
    ),
    "held_review_status_known": Broken("enrollments.HeldReview", {"status": "lost", "settled_at": NOW}),
    "inquiry_answered_with_words": Broken(
        "enrollments.Inquiry",
        {"status": "answered", "answer": "", "settled_at": NOW},
        {"status": "answered", "answer": "Yes", "settled_at": NOW},
    ),
    "inquiry_settled_unless_open": Broken(
        "enrollments.Inquiry", {"status": "overtaken", "settled_at": None}, {"status": "overtaken", "settled_at": NOW}
    ),
    "inquiry_status_known": Broken("enrollments.Inquiry", {"status": "lost", "settled_at": NOW}),
    "planned_exit_settled_at_some_time": Broken(
        "enrollments.PlannedExit",
        {"status": "withdrawn", "settled_at": None},
        {"status": "withdrawn", "settled_at": NOW},
    ),
    "planned_exit_status_known": Broken("enrollments.PlannedExit", {"status": "lost", "settled_at": NOW}),
    "transition_facet_known": Broken("enrollments.EnrollmentTransition", {"facet": "mood"}),
    "outbox_status_known": Broken("events.OutboxEvent", {"relay_status": "lost"}),
    "endpoint_disabled_for_a_reason": Broken(
        "events.WebhookEndpoint",
        {"disabled_at": NOW, "disabled_reason": ""},
        {"disabled_at": NOW, "disabled_reason": "gone"},
    ),
    "delivery_status_known": Broken("events.WebhookDelivery", {"status": "lost"}),
    "delivery_delivered_iff_dated": Broken(
        "events.WebhookDelivery",
        {"status": "delivered", "delivered_at": None},
        {"status": "delivered", "delivered_at": NOW},
    ),
    "notification_sent_at_some_time": Broken(
        "notifications.Notification", {"status": "sent", "sent_at": None}, {"status": "sent", "sent_at": NOW}
    ),
    "notification_status_known": Broken("notifications.Notification", {"status": "lost"}),
    "certificate_revocation_known": Broken(
        "partners.Certificate", {"revocation": "lost", "revoked_at": NOW}, {"revocation": "replaced", "revoked_at": NOW}
    ),
    "certificate_revoked_iff_dated": Broken(
        "partners.Certificate", {"revocation": "replaced", "revoked_at": None}, {"revocation": "", "revoked_at": None}
    ),
    "nudge_about_one_thing": Broken(
        "partners.Nudge", {"enrollment_id": 1, "provider_id": 1}, {"enrollment_id": None, "provider_id": 1}
    ),
    "nudge_at_most_four_in_a_row": Broken(
        "partners.Nudge", {"sent_count": 5, "last_sent_at": NOW}, {"sent_count": 4, "last_sent_at": NOW}
    ),
    "nudge_sent_at_some_time": Broken(
        "partners.Nudge", {"sent_count": 1, "last_sent_at": None}, {"sent_count": 1, "last_sent_at": NOW}
    ),
    "nudge_stopped_by_somebody": Broken(
        "partners.Nudge", {"stopped_at": NOW, "stopped_by": ""}, {"stopped_at": NOW, "stopped_by": "receiver"}
    ),
    "partner_step_completed_iff_dated": Broken(
        "partners.EnrollmentStep",
        {"status": "completed", "completed_at": None},
        {"status": "completed", "completed_at": NOW},
    ),
    "partner_step_progress_in_percent": Broken("partners.EnrollmentStep", {"progress": 101}, {"progress": 100}),
    "partner_step_retired_is_over": Broken(
        "partners.EnrollmentStep",
        {"retired_at": NOW, "status": "queued"},
        {"retired_at": NOW, "status": "withdrawn"},
    ),
    "partner_step_started_once_accepted": Broken(
        "partners.EnrollmentStep",
        {"status": "in_progress", "started_at": None},
        {"status": "in_progress", "started_at": NOW},
    ),
    "partner_step_status_known": Broken("partners.EnrollmentStep", {"status": "lost"}),
    "provider_adapter_known": Broken("partners.Provider", {"adapter": "soap"}),
    "provider_accept_hours_from_one": Broken(
        "partners.Provider", {"accept_within_hours": 0}, {"accept_within_hours": 1}
    ),
    "provider_days_from_one": Broken("partners.Provider", {"expected_days": 0}, {"expected_days": 1}),
    "provider_outage_ends_after_it_began": Broken(
        "partners.ProviderOutage", {"began_at": LATER, "ended_at": NOW}, {"began_at": NOW, "ended_at": LATER}
    ),
    "provider_outage_reason_known": Broken("partners.ProviderOutage", {"reason": "bored"}),
    "provider_rest_has_address": Broken(
        "partners.Provider", {"adapter": "rest", "base_url": ""}, {"adapter": "manual", "base_url": ""}
    ),
    "sequence_group_counts_iff_at_least": Broken(
        "partners.SequenceGroup", {"rule": "at_least", "at_least": None}, {"rule": "at_least", "at_least": 1}
    ),
    "sequence_group_rule_known": Broken("partners.SequenceGroup", {"rule": "in_turns"}),
}


UNIQUE = {
    **refused_seats.UNIQUE,
    "accounts_apikey_digest_key": Twice("accounts.ApiKey", {"digest": "a"}),
    "accounts_apikey_replaced_by_id_key": Twice("accounts.ApiKey", {"replaced_by_id": 1}),
    "accounts_guardianinvitation_token_digest_key": Twice("accounts.GuardianInvitation", {"token_digest": "a"}),
    "guardian_invitation_one_open": Twice(
        "accounts.GuardianInvitation", {"guardian_id": 1, "accepted_at": None, "revoked_at": None}, {"revoked_at": NOW}
    ),
    "accounts_lead_cuid_key": Twice("accounts.Lead", {"cuid": "a"}),
    "accounts_learnermerge_dropped_id_key": Twice("accounts.LearnerMerge", {"dropped_id": 3}),
    "name_change_one_open": Twice("accounts.NameChange", {"learner_id": 1, "decided_at": None}, {"decided_at": NOW}),
    "accounts_learner_cuid_key": Twice("accounts.Learner", {"cuid": "a"}),
    "accounts_passkey_credential_id_key": Twice("accounts.Passkey", {"credential_id": "a"}),
    "accounts_secondfactor_user_id_key": Twice("accounts.SecondFactor", {"user_id": 1}),
    "accounts_familysignin_session_id_key": Twice("accounts.FamilySignIn", {"session_id": "a"}),
    "accounts_staffsignin_session_id_key": Twice("accounts.StaffSignIn", {"session_id": "a"}),
    "accounts_staffinvitation_token_digest_key": Twice("accounts.StaffInvitation", {"token_digest": "a"}),
    "accounts_user_email_key": Twice("accounts.User", {"email": "a@example.test"}),
    "accounts_workspace_slug_key": Twice("accounts.Workspace", {"slug": "a"}),
    "guardian_email_unique": Twice("accounts.Guardian", {"workspace_id": 1, "email": "a@example.test"}),
    "guardian_external_id_unique": Twice("accounts.Guardian", {"workspace_id": 1, "external_id": "a", "email": None}),
    "guardianship_unique": Twice("accounts.Guardianship", {"guardian_id": 1, "learner_id": 1}),
    "learner_external_id_unique": Twice("accounts.Learner", {"workspace_id": 1, "external_id": "a"}),
    "learner_identity_unique": Twice("accounts.Learner", {"workspace_id": 1, "identity": "a"}),
    "membership_one_per_workspace_and_user": Twice("accounts.Membership", {"workspace_id": 1, "user_id": 1}),
    "staff_invitation_one_open": Twice(
        "accounts.StaffInvitation", {"workspace_id": 1, "email": "a@example.test"}, {"revoked_at": NOW}
    ),
    "staff_task_one_per_pair_of_twins": Twice(
        "accounts.StaffTask", {"subject": "b", "kind": "possible_twins", "status": "done"}, {"kind": "a"}
    ),
    "staff_task_one_open_per_subject": Twice("accounts.StaffTask", {"kind": "a", "subject": "b"}, {"status": "done"}),
    "billing_checkout_stripe_session_id_key": Twice("billing.Checkout", {"stripe_session_id": "cs_1"}),
    "billing_dispute_stripe_dispute_id_key": Twice("billing.Dispute", {"stripe_dispute_id": "du_1"}),
    "billing_invoice_cuid_key": Twice("billing.Invoice", {"cuid": "a"}),
    "payment_one_offline_per_subject": Twice(
        "billing.Payment", {"purpose": "tuition", "subject": "1"}, {"status": "refunded"}
    ),
    "billing_payment_payment_intent_id_key": Twice("billing.Payment", {"payment_intent_id": "pi_1"}),
    "billing_refund_stripe_refund_id_key": Twice("billing.Refund", {"stripe_refund_id": "re_1"}),
    "billing_stripeevent_event_id_key": Twice("billing.StripeEvent", {"event_id": "evt_1"}),
    "checkout_one_live_per_subject": Twice("billing.Checkout", {"purpose": "a", "subject": "1"}, {"status": "expired"}),
    "invoice_number_unique": Twice(
        "billing.Invoice",
        {"workspace_id": 1, "provider": "local", "number": "1"},
        {"number": "", "status": "requested", "issued_at": None},
    ),
    "billing_invoice_replaces_id_key": Twice("billing.Invoice", {"replaces_id": 1}),
    "billing_seller_workspace_id_key": Twice("billing.Seller", {"workspace_id": 1}),
    "invoice_one_per_payment": Twice("billing.Invoice", {"payment_id": 1}, {"corrects_id": 1}),
    "invoice_series_once": Twice("billing.InvoiceSeries", {"workspace_id": 1, "year": 2026}),
    "class_session_one_a_day": Twice("cohorts.ClassSession", {"group_class_id": 1, "date": MONDAY}),
    "cohort_name_unique": Twice("cohorts.Cohort", {"instance_id": 1, "name": "Fall"}),
    "cohort_session_unique": Twice("cohorts.CohortSession", {"cohort_id": 1, "option_id": 1}),
    "cohorts_calendarfeed_token_key": Twice("cohorts.CalendarFeed", {"token": "a"}),
    "cohorts_calendarfeed_user_id_key": Twice("cohorts.CalendarFeed", {"user_id": 1}),
    "cohorts_waitlistentry_place_id_key": Twice("cohorts.WaitlistEntry", {"place_id": 1}),
    "option_unique": Twice("cohorts.CourseStepOption", {"step_id": 1, "group_class_id": 1}),
    "package_one_live": Twice("cohorts.StudentPackage", {"learner_id": 1, "program_id": 1}, {"revoked_at": NOW}),
    "place_one_per_learner": Twice("cohorts.CohortPlace", {"cohort_id": 1, "learner_id": 1}, {"status": "released"}),
    "progress_one_per_step": Twice("cohorts.StepProgress", {"package_id": 1, "step_id": 1}),
    "step_order_unique": Twice("cohorts.CourseStep", {"program_id": 1, "order": 1}),
    "waitlist_once_in_line": Twice("cohorts.WaitlistEntry", {"cohort_id": 1, "learner_id": 1}, {"status": "left"}),
    "idempotency_one_per_key": Twice("core.IdempotencyRecord", {"scope": "a", "key": "b"}),
    "application_file_once_per_question": Twice("enrollments.ApplicationFile", {"application_id": 1, "question_id": 1}),
    "enrollments_application_cuid_key": Twice("enrollments.Application", {"cuid": "a"}),
    "enrollments_application_submission_key": Twice("enrollments.Application", {"submission": "a"}),
    "enrollments_application_token_digest_key": Twice("enrollments.Application", {"token_digest": "a"}),
    "enrollments_applicationfile_cuid_key": Twice("enrollments.ApplicationFile", {"cuid": "a"}),
    "question_key_unique": Twice("enrollments.ApplicationQuestion", {"instance_id": 1, "key": "a"}),
    "decision_one_live_per_enrollment": Twice(
        "enrollments.EnrollmentDecision", {"enrollment_id": 1, "status": "completed"}, {"status": "released"}
    ),
    "district_external_id_unique": Twice("enrollments.District", {"workspace_id": 1, "external_id": "a"}),
    "instance_external_id_unique": Twice("enrollments.ProgramInstance", {"workspace_id": 1, "external_id": "a"}),
    "district_tenant_unique": Twice("enrollments.District", {"workspace_id": 1, "tenant_id": 1}),
    "evaluation_one_unfinished": Twice("enrollments.EvaluationJob", {"instance_id": 1}, {"status": "completed"}),
    "saved_list_name_unique": Twice("backoffice.SavedList", {"user_id": 1, "model": "a", "name": "b"}),
    "backoffice_export_cuid_key": Twice("backoffice.Export", {"cuid": "a"}),
    "enrollments_evaluationjob_cuid_key": Twice("enrollments.EvaluationJob", {"cuid": "a"}),
    "enrollments_importjob_cuid_key": Twice("enrollments.ImportJob", {"cuid": "a"}),
    "imported_row_once": Twice("enrollments.ImportedRow", {"job_id": 1, "file": "a.csv", "line": 2}),
    "criterion_position_unique": Twice("enrollments.Criterion", {"instance_id": 1, "version": 1, "position": 1}),
    "criterion_name_unique": Twice("enrollments.Criterion", {"instance_id": 1, "version": 1, "name": "a"}),
    "enrollment_one_current": Twice(
        "enrollments.Enrollment",
        {"learner_id": 1, "lead_id": None, "instance_id": 1},
        {"eligibility_status": "unenrolled"},
    ),
    "enrollment_one_current_of_lead": Twice(
        "enrollments.Enrollment", {"lead_id": 1, "instance_id": 1}, {"deleted_at": NOW}
    ),
    "enrollment_label_once": Twice("enrollments.EnrollmentLabel", {"enrollment_id": 1, "kind": "tag", "value": "vip"}),
    "enrollments_enrollment_cuid_key": Twice("enrollments.Enrollment", {"cuid": "a"}),
    "enrollments_programinstance_cuid_key": Twice("enrollments.ProgramInstance", {"cuid": "a"}),
    "instance_one_default_per_workspace": Twice(
        "enrollments.ProgramInstance", {"workspace_id": 1, "is_default": True}, {"is_default": False}
    ),
    "enrollments_opencase_user_id_key": Twice("enrollments.OpenCase", {"user_id": 1}),
    "held_review_one_open": Twice(
        "enrollments.HeldReview", {"enrollment_id": 1, "status": "held"}, {"status": "undone", "settled_at": NOW}
    ),
    "inquiry_one_open": Twice(
        "enrollments.Inquiry", {"enrollment_id": 1, "status": "open"}, {"status": "overtaken", "settled_at": NOW}
    ),
    "planned_exit_one_open": Twice(
        "enrollments.PlannedExit",
        {"enrollment_id": 1, "status": "planned"},
        {"status": "withdrawn", "settled_at": NOW},
    ),
    "program_code_unique": Twice("enrollments.Program", {"workspace_id": 1, "code": "a"}),
    "program_listed_code_unique": Twice("enrollments.Program", {"code": "a", "listed": True}, {"listed": False}),
    "transition_number_unique": Twice("enrollments.EnrollmentTransition", {"enrollment_id": 1, "number": 1}),
    "events_outboxevent_cuid_key": Twice("events.OutboxEvent", {"cuid": "a"}),
    "events_eventfeed_workspace_id_key": Twice("events.EventFeed", {"workspace_id": 1}),
    "events_webhookdelivery_cuid_key": Twice("events.WebhookDelivery", {"cuid": "a"}),
    "events_webhookendpoint_cuid_key": Twice("events.WebhookEndpoint", {"cuid": "a"}),
    "delivery_once_per_event": Twice("events.WebhookDelivery", {"endpoint_id": 1, "event_id": 1}),
    "outbox_position_unique": Twice("events.OutboxEvent", {"workspace_id": 1, "position": 1}, {"position": None}),
    "outbox_sequence_unique": Twice("events.OutboxEvent", {"aggregate": "a", "sequence": 1}),
    "review_reason_unique": Twice("enrollments.ReviewReason", {"workspace_id": 1, "text": "Full"}),
    "letter_one_per_kind_and_language": Twice(
        "notifications.WorkspaceLetter", {"workspace_id": 1, "kind": "a", "language": "en"}
    ),
    "notification_once": Twice(
        "notifications.Notification", {"kind": "a", "subject_key": "b", "recipient": "c@example.test"}
    ),
    "certificate_one_live": Twice(
        "partners.Certificate", {"enrollment_id": 1, "revoked_at": None}, {"revocation": "replaced", "revoked_at": NOW}
    ),
    "partners_certificate_replaces_id_key": Twice("partners.Certificate", {"replaces_id": 1}),
    "partners_certificate_serial_key": Twice("partners.Certificate", {"serial": "a"}),
    "nudge_once_per_contact": Twice(
        "partners.Nudge", {"enrollment_id": None, "provider_id": 1, "recipient": "c@example.test"}
    ),
    "nudge_once_per_family": Twice("partners.Nudge", {"enrollment_id": 1, "recipient": "c@example.test"}),
    "partner_event_once": Twice("partners.PartnerEvent", {"provider_id": 1, "event_id": "a"}),
    "partner_sequence_one_active": Twice(
        "partners.PartnerSequence", {"program_id": 1, "active": True}, {"active": False}
    ),
    "partner_sequence_version_unique": Twice(
        "partners.PartnerSequence", {"program_id": 1, "version": 1, "active": False}
    ),
    "partner_step_external_id_unique": Twice(
        "partners.EnrollmentStep", {"provider_id": 1, "external_enrollment_id": "a"}, {"external_enrollment_id": None}
    ),
    "partner_step_one_per_item": Twice(
        "partners.EnrollmentStep",
        {"enrollment_id": 1, "item_id": 1, "retired_at": None, "status": "withdrawn"},
        {"retired_at": NOW},
    ),
    "partner_step_order_unique": Twice(
        "partners.EnrollmentStep",
        {"enrollment_id": 1, "sequence_order": 1, "retired_at": None, "status": "withdrawn"},
        {"retired_at": NOW},
    ),
    "partners_enrollmentstep_cuid_key": Twice("partners.EnrollmentStep", {"cuid": "a"}),
    "partners_provider_slug_key": Twice("partners.Provider", {"slug": "a"}),
    "sequence_group_position_unique": Twice("partners.SequenceGroup", {"sequence_id": 1, "position": 1}),
    "sequence_item_once_in_group": Twice("partners.SequenceItem", {"group_id": 1, "provider_id": 1, "course_id": "a"}),
    "sequence_item_position_unique": Twice("partners.SequenceItem", {"group_id": 1, "position": 1}),
    "step_transition_number_unique": Twice("partners.StepTransition", {"step_id": 1, "number": 1}),
}


def insert_row(label: str, **columns: Any) -> None:
    """Insert a row with these columns, and a unique value in every other one."""
    model = apps.get_model(label)
    given = VALID.get(label, {}) | columns
    own = {column.attname: _fresh(column) for column in model._meta.concrete_fields if not column.primary_key}
    made: Model = model(**own | given)
    model._base_manager.bulk_create([made])


def _fresh(column: "Field[Any, Any]") -> Any:
    """Return a new value of the column's type, or the model's default if it need not be new."""
    if column.null or (column.has_default() and not column.unique):
        return column.get_default()
    number = next(_numbers)
    kind = column.get_internal_type()
    if "Integer" in kind or kind in ("ForeignKey", "OneToOneField", "FloatField"):
        return number
    by_kind = {
        "DateTimeField": NOW,
        "DateField": MONDAY + dt.timedelta(days=number),
        "TimeField": FIVE,
        "JSONField": {},
    }
    return by_kind.get(kind, str(number))
