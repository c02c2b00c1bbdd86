INSERT INTO enrollments_enrollmenttransition
    (enrollment_id, number, facet, from_status, to_status, reason, note, actor, request_id, created_at)
SELECT id, transition_count + 1, 'participation', 'active', 'completed', 'expired', '', 'system', '', now()
  FROM enrollments_enrollment WHERE workspace_id = %(workspace)s AND id BETWEEN %(first)s AND %(last)s;

INSERT INTO events_outboxevent (cuid, workspace_id, type, aggregate, sequence, payload, occurred_at, next_attempt_at,
                                relay_status, relay_attempts, last_error)
SELECT 'c' || substr(md5(random()::text), 1, 23), e.workspace_id, 'enrollment.status_changed', 'enrollment:' || e.cuid, 1,
       jsonb_build_object('enrollmentId', e.cuid, 'programInstanceId', i.cuid, 'facet', 'participation', 'fromStatus',
                          'active', 'toStatus', 'completed', 'reason', 'expired', 'number', e.transition_count + 1,
                          'paymentStatus', e.payment_status), now(), now(), 'pending', 0, ''
  FROM enrollments_enrollment e JOIN enrollments_programinstance i ON i.id = e.instance_id
 WHERE e.workspace_id = %(workspace)s AND e.id BETWEEN %(first)s AND %(last)s;

UPDATE enrollments_enrollment
   SET participation_status = 'completed', transition_count = transition_count + 1, updated_at = now()
 WHERE workspace_id = %(workspace)s AND id BETWEEN %(first)s AND %(last)s;
