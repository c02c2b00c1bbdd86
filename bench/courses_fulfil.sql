-- The money for one prepared purchase with every row that `record_session` writes, as one statement. The row everybody
-- waits for is the invoice series; buyers of one cohort wait for it and the first step's session as well.
WITH number AS MATERIALIZED (
    SELECT nextval('bench_fulfil') AS n, now() AS at
), checkout AS (
    UPDATE billing_checkout AS checkout
       SET status = 'paid', settled_at = at, payer_email = 'parent' || n || '@limit.test'
      FROM number
     WHERE checkout.stripe_session_id = 'cs_limit_' || n AND checkout.status = 'open'
 RETURNING checkout.id, checkout.subject::bigint AS place_id, checkout.amount_minor, checkout.currency,
           checkout.description, checkout.payer_email, checkout.subject
), payment AS (
    INSERT INTO billing_payment
           (workspace_id, checkout_id, purpose, subject, method, payment_intent_id, amount_minor, refunded_minor, currency,
            status, created_at, paid_at)
    SELECT :workspace_id::bigint, checkout.id, 'cohort_place', subject, 'stripe', 'pi_limit_' || n, amount_minor, 0,
           currency, 'paid', at, at
      FROM number, checkout
 RETURNING id, amount_minor, currency, subject, checkout_id
), place AS (
    UPDATE cohorts_cohortplace AS place
       SET status = 'taken', taken_at = at, released_at = NULL, release_reason = ''
      FROM number, checkout
     WHERE place.id = checkout.place_id AND place.status = 'held'
 RETURNING place.id, place.learner_id, place.enrollment_id, place.cohort_id
), enrollment AS (
    UPDATE enrollments_enrollment AS enrollment
       SET payment_status = 'paid', eligibility_status = 'approved', participation_status = 'active',
           start_date = at::date, updated_at = at, transition_count = transition_count + 3
      FROM number, place
     WHERE enrollment.id = place.enrollment_id AND enrollment.payment_status = 'pending'
 RETURNING enrollment.id, enrollment.cuid, enrollment.instance_id, enrollment.transition_count AS last
), transition AS (
    INSERT INTO enrollments_enrollmenttransition
           (enrollment_id, number, facet, from_status, to_status, reason, actor, request_id, created_at)
    SELECT enrollment.id, last - 3 + step.number, step.facet, step.before, step.after, step.reason, 'stripe', '', at
      FROM number, enrollment,
           (VALUES (1, 'payment', 'pending', 'paid', ''),
                   (2, 'eligibility', 'submitted', 'approved', 'Purchased'),
                   (3, 'participation', 'not_started', 'active', '')) AS step (number, facet, before, after, reason)
 RETURNING number, facet, from_status, to_status, reason
), package AS (
    INSERT INTO cohorts_studentpackage
           (learner_id, program_id, enrollment_id, cohort_id, place_id, payment_id, name, purchased_at, expires_at,
            revoked_at, revoke_reason)
    SELECT place.learner_id, :program_id::bigint, enrollment.id, place.cohort_id, place.id, payment.id,
           'COURSE-limit - Fall', at, NULL, NULL, ''
      FROM number, place, enrollment, payment
 RETURNING id
), only_option AS MATERIALIZED (
    SELECT step_id, min(option_id) AS option_id, min(class_session_id) AS class_session_id
      FROM cohorts_cohortsession
     WHERE cohort_id = (SELECT cohort_id FROM place)
     GROUP BY step_id
    HAVING count(*) = 1
), progress AS (
    INSERT INTO cohorts_stepprogress
           (package_id, step_id, status, option_id, class_session_id, booked_at, completed_at)
    SELECT package.id, step.id, CASE WHEN booked.step_id IS NULL THEN 'UNBOOKED' ELSE 'BOOKED' END, booked.option_id,
           booked.class_session_id, CASE WHEN booked.step_id IS NULL THEN NULL ELSE at END, NULL
      FROM number, package, cohorts_coursestep AS step
      LEFT JOIN only_option AS booked ON booked.step_id = step.id
     WHERE step.program_id = :program_id::bigint
 RETURNING step_id, class_session_id, status
), guardian AS (
    INSERT INTO accounts_guardian (workspace_id, external_id, email, first_name, last_name, created_at)
    SELECT :workspace_id::bigint, NULL, payer_email, '', '', at
      FROM number, checkout
 RETURNING id
), guardianship AS (
    INSERT INTO accounts_guardianship (guardian_id, learner_id, created_at)
    SELECT guardian.id, place.learner_id, at
      FROM number, guardian, place
), mail AS (
    INSERT INTO notifications_notification
           (workspace_id, kind, subject_key, recipient, params, status, attempts, resends, next_attempt_at, last_error,
            created_at, sent_at)
    SELECT :workspace_id::bigint, kind, subject_key, payer_email, params, 'pending', 0, 0, at, '', at, NULL
      FROM number, checkout, payment, package,
           LATERAL (VALUES
               ('invoice', 'payment:' || payment.id, jsonb_build_object('payment', payment.id)),
               ('course_enrolled', 'package:' || package.id, jsonb_build_object('package', package.id))
           ) AS news (kind, subject_key, params)
), fact (type, aggregate, sequence, payload) AS (
    SELECT 'payment.succeeded', 'payment:' || payment.id, 1,
           jsonb_build_object('purpose', 'cohort_place', 'subject', subject, 'currency', currency, 'payment_id', id,
                              'checkout_id', checkout_id, 'amount_minor', amount_minor)
      FROM payment
 UNION ALL
    SELECT 'place.taken', 'place:' || place.id, 1,
           jsonb_build_object('placeId', place.id, 'cohortId', cohort_id, 'learnerId', learner.cuid)
      FROM place JOIN accounts_learner AS learner ON learner.id = place.learner_id
 UNION ALL
    SELECT 'enrollment.status_changed', 'enrollment:' || cuid, number - last + 3,
           jsonb_build_object('enrollmentId', cuid, 'programInstanceId', instance.instance_cuid, 'facet', facet,
                              'from', from_status, 'to', to_status, 'reason', reason, 'number', number)
      FROM enrollment, transition,
           LATERAL (SELECT term.cuid AS instance_cuid FROM enrollments_programinstance AS term
                     WHERE term.id = enrollment.instance_id) AS instance
 UNION ALL
    SELECT 'package.created', 'package:' || package.id, 1,
           jsonb_build_object('cohortId', cohort_id, 'learnerId', learner.cuid, 'packageId', package.id,
                              'enrollmentId', enrollment.cuid)
      FROM package, enrollment, place JOIN accounts_learner AS learner ON learner.id = place.learner_id
 UNION ALL
    SELECT 'step.booked', 'package:' || package.id, 2,
           jsonb_build_object('stepId', step_id, 'packageId', package.id, 'classSessionId', class_session_id)
      FROM package, progress
     WHERE progress.status = 'BOOKED'
), outbox AS (
    INSERT INTO events_outboxevent
           (cuid, workspace_id, type, aggregate, sequence, payload, occurred_at, relay_status, relay_attempts,
            next_attempt_at, relayed_at, last_error)
    SELECT left(replace(gen_random_uuid()::text, '-', ''), 24), :workspace_id::bigint, type, aggregate, sequence,
           payload, at, 'pending', 0, at, NULL, ''
      FROM number, fact
 RETURNING id
), written AS MATERIALIZED (
    SELECT count(*) AS events FROM outbox  -- the rows that others wait for come after all the rest
), counted AS (
    UPDATE cohorts_cohort AS cohort
       SET held_places = held_places - 1, current_enrollment = current_enrollment + 1
      FROM written, place
     WHERE cohort.id = place.cohort_id AND written.events = 7
 RETURNING cohort.id
), seated AS (
    UPDATE cohorts_classsession AS session
       SET booked_count = booked_count + 1
      FROM counted, only_option
     WHERE session.id = only_option.class_session_id AND booked_count < max_students
 RETURNING session.id
), series AS (
    UPDATE billing_invoiceseries AS series
       SET last_number = last_number + 1
      FROM seated
     WHERE series.workspace_id = :workspace_id::bigint AND series.year = extract(year FROM now())
 RETURNING series.year, series.last_number
)
INSERT INTO billing_invoice
       (cuid, workspace_id, payment_id, corrects_id, provider, status, number, requested_at, issued_at, seller_name, buyer_name, buyer_email,
        buyer_address, amount_minor, currency, lines)
SELECT left(replace(gen_random_uuid()::text, '-', ''), 24), :workspace_id::bigint, payment.id, NULL, 'local', 'issued',
       year || '-' || lpad((last_number / (SELECT count(*) FROM seated))::text, 6, '0'), at, at, 'Courses limit', 'Jane Doe',
       payer_email, '', payment.amount_minor, payment.currency,
       jsonb_build_array(jsonb_build_object('description', description, 'amount_minor', payment.amount_minor))
  FROM number, payment, checkout, series;
