INSERT INTO accounts_learner (cuid, workspace_id, identity, person, first_name, last_name, email, phone, grade_level,
                              school, address, created_at)
SELECT %(mark)s || lpad(n::text, 22, '0'), %(workspace)s, %(mark)s || n, %(mark)s || n, 'Jane', 'Doe', '', '', '5', '',
       '{}', now()
  FROM generate_series(1, %(count)s) n;

INSERT INTO enrollments_enrollment (cuid, workspace_id, instance_id, learner_id, identification_type,
    eligibility_status, eligibility_reason, criteria_version, participation_status, payment_status, metadata, address,
    manufacturer_slugs, tags, transition_count, created_at, updated_at)
SELECT cuid, workspace_id, %(instance)s, id, 'customerId', 'approved', '', 0, 'active', 'not_required', '{}', '{}',
       '[]', '[]', 4, now(), now()
  FROM accounts_learner WHERE workspace_id = %(workspace)s;

INSERT INTO enrollments_enrollmenttransition
    (enrollment_id, number, facet, from_status, to_status, reason, note, actor, request_id, created_at)
SELECT e.id, t.number, t.facet, t.from_status, t.to_status, '', '', 'system', '', now() - interval '100 days'
  FROM enrollments_enrollment e,
       (VALUES (1, 'eligibility', 'candidate', 'eligible'), (2, 'eligibility', 'eligible', 'submitted'),
               (3, 'eligibility', 'submitted', 'approved'), (4, 'participation', 'not_started', 'active'))
       t (number, facet, from_status, to_status)
 WHERE e.workspace_id = %(workspace)s;

INSERT INTO partners_enrollmentstep (cuid, enrollment_id, item_id, provider_id, course_id, sequence_order, status,
    external_enrollment_id, launch_url, progress, evidence, attempts, last_error, change_count, changed_at, created_at,
    asked_at, started_at, due_at, next_attempt_at)
SELECT e.cuid || 'x' || i.position, e.id, i.id, i.provider_id, '', i.position,
       CASE WHEN i.provider_id = %(first)s THEN 'in_progress' ELSE 'pending' END,
       CASE WHEN i.provider_id = %(first)s THEN 'their-' || e.id END, '', 0, '', 0, '',
       CASE WHEN i.provider_id = %(first)s THEN 2 ELSE 0 END, now() - interval '9 days', now() - interval '10 days',
       CASE WHEN i.provider_id = %(first)s THEN now() - interval '9 days' END,
       CASE WHEN i.provider_id = %(first)s THEN now() - interval '9 days' END,
       CASE WHEN i.provider_id = %(first)s THEN now() + interval '5 days' END,
       CASE WHEN i.provider_id = %(first)s THEN now() + interval '1 hour' END
  FROM enrollments_enrollment e
  JOIN partners_sequenceitem i ON i.provider_id IN (SELECT id FROM partners_provider WHERE workspace_id = %(workspace)s)
 WHERE e.workspace_id = %(workspace)s;

INSERT INTO partners_steptransition (step_id, number, from_status, to_status, reason, actor, request_id, created_at)
SELECT s.id, t.number, t.from_status, t.to_status, '', 'system', '', now() - interval '9 days'
  FROM partners_enrollmentstep s,
       (VALUES (1, 'pending', 'queued'), (2, 'queued', 'in_progress')) t (number, from_status, to_status)
 WHERE s.provider_id = %(first)s;

INSERT INTO partners_partnerevent (provider_id, event_id, type, external_enrollment_id, payload, received_at, outcome,
                                   attempts, next_attempt_at, last_error)
SELECT %(first)s, 'msg-' || s.id, 'course.completed', s.external_enrollment_id, '{"completedAt": "2026-01-01T10:00:00Z"}',
       now(), '', 0, now(), ''
  FROM partners_enrollmentstep s WHERE s.provider_id = %(first)s;
