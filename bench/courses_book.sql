-- A booking of two steps with every row that `book_sessions` writes, as one statement: for the package that came of
-- courses_fulfil.sql's purchase of the same number.
WITH number AS MATERIALIZED (
    SELECT nextval('bench_book') AS n, now() AS at
), package AS MATERIALIZED (
    SELECT package.id, package.cohort_id, checkout.payer_email
      FROM number
      JOIN billing_payment AS payment ON payment.payment_intent_id = 'pi_limit_' || n
      JOIN billing_checkout AS checkout ON checkout.id = payment.checkout_id
      JOIN cohorts_studentpackage AS package ON package.payment_id = payment.id AND package.revoked_at IS NULL
), chosen AS MATERIALIZED (
    SELECT step_id, option_id, class_session_id
      FROM package
      JOIN cohorts_cohortsession USING (cohort_id)
     WHERE option_id IN (:first_option::bigint, :second_option::bigint)
), progress AS (
    UPDATE cohorts_stepprogress AS progress
       SET status = 'BOOKED', option_id = chosen.option_id, class_session_id = chosen.class_session_id, booked_at = at
      FROM number, package, chosen
     WHERE progress.package_id = package.id AND progress.step_id = chosen.step_id AND progress.status = 'UNBOOKED'
 RETURNING progress.package_id, progress.step_id, progress.class_session_id
), outbox AS (
    INSERT INTO events_outboxevent
           (cuid, workspace_id, type, aggregate, sequence, payload, occurred_at, relay_status, relay_attempts,
            next_attempt_at, relayed_at, last_error)
    SELECT left(replace(gen_random_uuid()::text, '-', ''), 24), :workspace_id::bigint, 'step.booked',
           'package:' || package_id,
           (SELECT max(sequence) FROM events_outboxevent WHERE aggregate = 'package:' || package_id)
               + row_number() OVER (ORDER BY step_id),
           jsonb_build_object('stepId', step_id, 'packageId', package_id, 'classSessionId', class_session_id),
           at, 'pending', 0, at, NULL, ''
      FROM number, progress
 RETURNING id
), seated AS (
    UPDATE cohorts_classsession AS session
       SET booked_count = booked_count + 1
      FROM (SELECT class_session_id FROM chosen, (SELECT count(*) AS events FROM outbox) AS written
             WHERE written.events = 2 ORDER BY class_session_id) AS wanted
     WHERE session.id = wanted.class_session_id AND session.booked_count < session.max_students
 RETURNING session.id
)
INSERT INTO notifications_notification
       (workspace_id, kind, subject_key, recipient, params, status, attempts, resends, next_attempt_at, last_error,
        created_at, sent_at)
SELECT :workspace_id::bigint, 'sessions_booked', 'package:' || package.id || '/booked:' || at, payer_email,
       jsonb_build_object('package', package.id, 'booked_at', at), 'pending', 0, 0, at,
       left('', (2 / (SELECT count(*) FROM seated))::integer), at, NULL
  FROM number, package;
