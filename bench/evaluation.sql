INSERT INTO enrollments_enrollmenttransition
    (enrollment_id, number, facet, from_status, to_status, reason, note, actor, request_id, created_at)
SELECT id, 1, 'eligibility', 'candidate', CASE WHEN (metadata->>'age')::int >= 12 THEN 'eligible' ELSE 'ineligible' END,
       CASE WHEN (metadata->>'age')::int >= 12 THEN 'In it' ELSE 'Too young' END, '', 'system', '', now()
  FROM enrollments_enrollment WHERE instance_id = %(instance)s AND eligibility_status = 'candidate';

INSERT INTO enrollments_eligibilityverdict
    (enrollment_id, criteria_version, outcome, reason, answers, actor, created_at)
SELECT e.id, i.criteria_version, CASE WHEN (metadata->>'age')::int >= 12 THEN 'eligible' ELSE 'ineligible' END,
       CASE WHEN (metadata->>'age')::int >= 12 THEN 'In it' ELSE 'Too young' END,
       (SELECT jsonb_agg(jsonb_build_object(
                   'name', c.name, 'expression', c.expression, 'reason', c.because,
                   'answer', c.name <> 'Age' OR (e.metadata->>'age')::int >= 12,
                   'inputs', jsonb_build_object('value', e.metadata->'age')) ORDER BY c.position)
          FROM enrollments_criterion c WHERE c.instance_id = i.id AND c.version = i.criteria_version),
       'system', now()
  FROM enrollments_enrollment e JOIN enrollments_programinstance i ON i.id = e.instance_id
 WHERE e.instance_id = %(instance)s AND e.eligibility_status = 'candidate';

INSERT INTO events_outboxevent (cuid, workspace_id, type, aggregate, sequence, payload, occurred_at, next_attempt_at,
                                relay_status, relay_attempts, last_error)
SELECT 'c' || substr(md5(random()::text), 1, 23), e.workspace_id, 'enrollment.status_changed', 'enrollment:' || e.cuid, 1,
       jsonb_build_object('enrollmentId', e.cuid, 'programInstanceId', i.cuid, 'facet', 'eligibility', 'fromStatus',
                          'candidate', 'toStatus', 'eligible', 'number', 1), now(), now(), 'pending', 0, ''
  FROM enrollments_enrollment e JOIN enrollments_programinstance i ON i.id = e.instance_id
 WHERE e.instance_id = %(instance)s AND e.eligibility_status = 'candidate';

UPDATE enrollments_enrollment e
   SET eligibility_status = CASE WHEN (metadata->>'age')::int >= 12 THEN 'eligible' ELSE 'ineligible' END,
       eligibility_reason = CASE WHEN (metadata->>'age')::int >= 12 THEN 'In it' ELSE 'Too young' END,
       criteria_version = i.criteria_version, transition_count = 1, updated_at = now()
  FROM enrollments_programinstance i
 WHERE i.id = e.instance_id AND e.instance_id = %(instance)s AND e.eligibility_status = 'candidate';
