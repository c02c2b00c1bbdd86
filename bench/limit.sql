-- One district enrollment with every row that POST /api/enroll writes, as one statement: nothing that does this work
-- can be faster. The seat is counted after the rows are written, as the application does; without one, the division
-- by zero undoes them all.
\set n random(1, 1000000000000000)
WITH request AS MATERIALIZED (
    SELECT now() AS at,
           :n::text || '@school.test' AS email,
           encode(sha256(:n::text::bytea), 'hex') AS person,
           left(replace(gen_random_uuid()::text, '-', ''), 24) AS request_id,
           left(replace(gen_random_uuid()::text, '-', ''), 24) AS enrollment_cuid
), learner AS (
    INSERT INTO accounts_learner
           (cuid, workspace_id, identity, person, external_id, first_name, last_name, email, phone, grade_level, school,
            user_id, created_at)
    SELECT left(replace(gen_random_uuid()::text, '-', ''), 24), :workspace_id::bigint, 'who:' || person, person, NULL,
           'Jane', 'Doe', email, '', '3rd', '', NULL, at
      FROM request
 RETURNING id
), enrollment AS (
    INSERT INTO enrollments_enrollment
           (cuid, workspace_id, instance_id, learner_id, lead_id, identification_type, eligibility_status,
            eligibility_reason, criteria_version, participation_status, payment_status, metadata, start_date, end_date,
            transition_count, created_at, updated_at)
    SELECT enrollment_cuid, :workspace_id::bigint, :instance_id::bigint, learner.id, NULL, 'customerInfo', 'approved',
           'No criteria', 1, 'active', 'not_required', '{}', at::date, NULL, 4, at, at
      FROM request, learner
 RETURNING id, learner_id
), transition AS (
    INSERT INTO enrollments_enrollmenttransition
           (enrollment_id, number, facet, from_status, to_status, reason, actor, request_id, created_at)
    SELECT enrollment.id, step.number, step.facet, step.before, step.after, step.reason, :actor, request_id, at
      FROM request, enrollment,
           (VALUES (1, 'eligibility', 'candidate', 'eligible', 'No criteria'),
                   (2, 'eligibility', 'eligible', 'submitted', 'No criteria'),
                   (3, 'eligibility', 'submitted', 'approved', 'Automatic review'),
                   (4, 'participation', 'not_started', 'active', '')) AS step (number, facet, before, after, reason)
 RETURNING number, facet, from_status, to_status, reason
), seat AS (
    INSERT INTO enrollments_seatassignment
           (allocation_id, learner_id, enrollment_id, status, reserved_at, used_at, released_at, release_reason)
    SELECT :allocation_id::bigint, enrollment.learner_id, enrollment.id, 'used', at, at, NULL, ''
      FROM request, enrollment
 RETURNING id, enrollment_id, learner_id
), decision AS (
    INSERT INTO enrollments_enrollmentdecision
           (workspace_id, learner_id, enrollment_id, instance_id, guardian_id, district_id, seat_id, checkout_id,
            payment_id, tenant_id, learner_email, learner_profile, context, provision_source, status, reason, trace,
            message, actor, request_id, created_at, updated_at)
    SELECT :workspace_id::bigint, seat.learner_id, seat.enrollment_id, :instance_id::bigint, NULL, :district_id::bigint,
           seat.id, NULL, NULL, 1, email,
           jsonb_build_object('email', email, 'first_name', 'Jane', 'last_name', 'Doe', 'grade_level', '3rd'),
           '{"tenant_id": 1, "source": "district_portal"}', 'district', 'completed', 'district_seat_reserved',
           jsonb_build_array(
               jsonb_build_object('rule', 'eligibility.no_criteria', 'answer', true),
               jsonb_build_object('rule', 'district.named', 'tenant_id', 1, 'answer', true),
               jsonb_build_object('rule', 'allocation.seat_free', 'allocation_id', :allocation_id::bigint,
                                  'for_instance', false, 'open', true, 'learner_holds_one', false,
                                  'total_seats', 10000000, 'answer', true)),
           'Successfully enrolled via district allocation', :actor, request_id, at, at
      FROM request, seat
 RETURNING id, seat_id
), fact (place, type, aggregate, sequence, payload) AS (
    SELECT 0, 'enrollment.created', 'enrollment:' || enrollment_cuid, 1,
           jsonb_build_object('enrollmentId', enrollment_cuid, 'programInstanceId', :instance_cuid::text,
                              'identificationType', 'customerInfo')
      FROM request
 UNION ALL
    SELECT number, 'enrollment.status_changed', 'enrollment:' || enrollment_cuid, number + 1,
           jsonb_build_object('enrollmentId', enrollment_cuid, 'programInstanceId', :instance_cuid::text, 'facet', facet,
                              'from', from_status, 'to', to_status, 'reason', reason, 'number', number)
      FROM request, transition
 UNION ALL
    SELECT 4 + told.sequence, told.type, 'seat:' || seat.id, told.sequence,
           jsonb_build_object('seat_id', seat.id, 'allocation_id', :allocation_id::bigint,
                              'enrollment_id', enrollment_cuid)
      FROM request, seat, (VALUES (1, 'seat.reserved'), (2, 'seat.used')) AS told (sequence, type)
 UNION ALL
    SELECT 7, 'ENROLLMENT_DECISION', 'decision:' || decision.id, 1,
           jsonb_build_object('event_type', 'ENROLLMENT_DECISION', 'decision_id', decision.id, 'provision_source',
                              'district', 'tenant_id', 1, 'guardian_id', NULL, 'learner_email', email, 'status',
                              'completed', 'timestamp', at, 'metadata',
                              jsonb_build_object('allocation_id', :allocation_id::bigint, 'seats_reserved', 1, 'reason',
                                                 'district_seat_reserved', 'enrollment_id', enrollment_cuid,
                                                 'checkout_id', NULL))
      FROM request, decision
), outbox AS (
    INSERT INTO events_outboxevent
           (cuid, workspace_id, type, aggregate, sequence, payload, occurred_at, relay_status, relay_attempts,
            next_attempt_at, relayed_at, last_error)
    SELECT left(replace(gen_random_uuid()::text, '-', ''), 24), :workspace_id::bigint, type, aggregate, sequence,
           payload, at, 'pending', 0, at, NULL, ''
      FROM request, fact
     ORDER BY place
 RETURNING id
), taken AS (
    UPDATE enrollments_districtseatallocation AS allocation
       SET used_seats = used_seats + 1, updated_at = now()
      FROM (SELECT count(*) AS events FROM outbox) AS written
     WHERE allocation.id = :allocation_id::bigint AND written.events = 8 AND allocation.is_active
       AND allocation.reserved_seats + allocation.used_seats < allocation.total_seats
       AND (allocation.valid_from IS NULL OR allocation.valid_from <= now()::date)
       AND (allocation.valid_until IS NULL OR allocation.valid_until >= now()::date)
 RETURNING total_seats - reserved_seats - used_seats AS available
)
INSERT INTO core_idempotencyrecord
       (scope, key, fingerprint, locked_until, response_status, response_body, created_at)
SELECT :actor, request_id, person, at + interval '1 minute', 200 / (SELECT count(*) FROM taken),
       jsonb_build_object('provision_source', 'district', 'status', 'completed', 'tenant_id', 1, 'seats_reserved', 1,
                          'seats_available', (SELECT available FROM taken), 'decision_id', decision.id,
                          'enrollment_id', enrollment_cuid, 'reason', 'district_seat_reserved',
                          'message', 'Successfully enrolled via district allocation'), at
  FROM request, decision;
